"""BIK's pages in Airflow's own UI: deliveries while they run and after, and which days of a stream are delivered."""
