package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestWithoutASidecarNobodyIsWrittenTo(t *testing.T) {
	connection, err := grpc.NewClient("unix:/no/such.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()

	isPermitted, reason := newMailer(connection).mayWrite(context.Background(), "ada")

	if isPermitted || reason != "unavailable" {
		t.Errorf("got %t, %s", isPermitted, reason)
	}
}
