"""Files and chunks: pure values and functions, with no Kafka, no threads and no clock in them."""
