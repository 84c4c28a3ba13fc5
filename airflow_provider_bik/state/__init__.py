"""What is written down about deliveries: records, generations and rejected events, on any object storage."""
