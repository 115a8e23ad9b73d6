-- Run once, when PostgreSQL starts with an empty volume; the database recruit is there already.
CREATE DATABASE dagster;
