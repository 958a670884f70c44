"""What is finished is kept: shards that are never opened for writing again, and who may write."""
