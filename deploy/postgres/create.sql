-- The roles and the database of Gatehouse, made once by whoever may make roles:
--   GATEHOUSE_DATABASE_PASSWORD_FILE=... psql -v ON_ERROR_STOP=1 -f deploy/postgres/create.sql
-- Tenants' reads go in the role gatehouse_reader, under row-level security; it cannot log in.
\set password `cat "$GATEHOUSE_DATABASE_PASSWORD_FILE"`
CREATE ROLE gatehouse LOGIN PASSWORD :'password';
CREATE ROLE gatehouse_reader NOLOGIN;
GRANT gatehouse_reader TO gatehouse;
CREATE DATABASE gatehouse OWNER gatehouse;
REVOKE ALL ON DATABASE gatehouse FROM PUBLIC;
