CREATE USER syncd@'%' IDENTIFIED BY '...' REQUIRE SSL;
GRANT SELECT ON oxdatabase_5.user TO syncd@'%';
GRANT SELECT ON oxdatabase_5.login2user TO syncd@'%';
GRANT SELECT ON oxdatabase_5.updateTask TO syncd@'%';
GRANT SELECT, UPDATE ON oxdatabase_5.sequence_mail_service TO syncd@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON oxdatabase_5.user_mail_account TO syncd@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON oxdatabase_5.user_transport_account TO syncd@'%';
GRANT SELECT, DELETE ON oxdatabase_5.user_mail_account_properties TO syncd@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON oxdatabase_5.user_transport_account_properties TO syncd@'%';
