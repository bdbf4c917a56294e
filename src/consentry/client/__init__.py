"""What a microservice imports. Needs only grpcio and protobuf."""
