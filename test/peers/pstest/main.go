// Google's own in-memory Pub/Sub (the package pstest), with a topic and a subscription that Google's own client reads:
// each message is a line of JSON on standard output.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strconv"
	"sync"

	"cloud.google.com/go/pubsub"
	"cloud.google.com/go/pubsub/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	check(err)
	server := pstest.NewServerWithPort(port)
	connection, err := grpc.NewClient(server.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	ctx := context.Background()
	client, err := pubsub.NewClient(ctx, "shop", option.WithGRPCConn(connection))
	check(err)
	topic, err := client.CreateTopic(ctx, "falco")
	check(err)
	subscription, err := client.CreateSubscription(ctx, "reader", pubsub.SubscriptionConfig{Topic: topic})
	check(err)
	var lock sync.Mutex
	out := json.NewEncoder(os.Stdout)
	check(subscription.Receive(ctx, func(_ context.Context, message *pubsub.Message) {
		lock.Lock()
		defer lock.Unlock()
		check(out.Encode(map[string]any{"data": string(message.Data), "attributes": message.Attributes, "id": message.ID}))
		message.Ack()
	}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
