"""Side by side with RabbitMQ, Redis and Kafka: the same load by the same client on the same machine."""
