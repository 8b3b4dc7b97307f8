"""`make mutants`: change the core in one place after the other, and see whether its unit tests notice.

    python -m tests.mutants [module …]

mutmut makes the mutants and tries them on a copy in `mutants/`; `[tool.mutmut]` in pyproject.toml says of which modules
and with which tests. Fails when fewer than 90 % of the mutants of a module die, and when one survives that is not in
`explained.toml` with the reason why it is none to worry about.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.mutants.report import explanations, module, survivor, verdict

ROOT = Path(__file__).parent.parent.parent
COPY = ROOT / "mutants"
MUTMUT = str(Path(sys.executable).parent / "mutmut")
EXPLAINED = Path(__file__).with_name("explained.toml")
REPORT = ROOT / "build" / "mutants.txt"
LOG = ROOT / "build" / "mutants.log"


def main(names: list[str]) -> int:
    """Try the mutants of the named modules, or of all; give the exit status."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
    paths = {Path(path).stem: Path(path) for path in settings["only_mutate"]}
    if unknown := sorted(set(names) - paths.keys()):
        print(f"no such module: {', '.join(unknown)}; there are {', '.join(paths)}", file=sys.stderr)
        return 2
    chosen = {name: paths[name] for name in names or paths}
    shutil.rmtree(COPY, ignore_errors=True)  # mutmut keeps what survived even if the tests have changed since
    if (status := _tried([f"{'.'.join(path.with_suffix('').parts)}.*" for path in chosen.values()])) != 0:
        print(f"mutmut failed; what it said is in {LOG}", file=sys.stderr)
        return status
    try:
        modules = [module(name, COPY / f"{path}.meta") for name, path in chosen.items()]
    except ValueError as e:
        print(e, file=sys.stderr)
        return 1
    survivors = [survivor(one.name, _diff(mutant)) for one in modules for mutant in one.alive]
    text, enough = verdict(modules, survivors, explanations(EXPLAINED))
    REPORT.write_text(text)
    print(text, end="")
    return 0 if enough else 1


def _tried(patterns: list[str]) -> int:
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w") as log:  # megabytes of progress
        return subprocess.run([MUTMUT, "run", *patterns], cwd=ROOT, stdout=log, stderr=log, check=False).returncode


def _diff(mutant: str) -> str:
    done = subprocess.run([MUTMUT, "show", mutant], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
