module windhover.test/pstest

go 1.24

require (
	cloud.google.com/go/pubsub v1.50.1
	google.golang.org/api v0.247.0
	google.golang.org/grpc v1.74.2
)
