// A service that asks before it writes to a customer, and takes no error for a yes.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	consentryv1 "example.org/mailer/gen/consentry/v1"
)

const (
	askFor    = 2 * time.Second
	recordFor = 10 * time.Second
)

// mailer asks Consentry in the name of the campaign mailer.
type mailer struct {
	decisions consentryv1.AuthorizationServiceClient
	consents  consentryv1.ConsentServiceClient
}

func newMailer(connection grpc.ClientConnInterface) *mailer {
	return &mailer{
		decisions: consentryv1.NewAuthorizationServiceClient(connection),
		consents:  consentryv1.NewConsentServiceClient(connection),
	}
}

func text(name, value string) *consentryv1.Attribute {
	return &consentryv1.Attribute{
		Name:  name,
		Value: &consentryv1.Value{Kind: &consentryv1.Value_Text{Text: value}},
	}
}

// mayWrite tells whether this customer may be written to, and why. Without an answer they may not.
func (m *mailer) mayWrite(ctx context.Context, customer string) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answer, err := m.decisions.Check(ctx, &consentryv1.CheckRequest{
		Principal: &consentryv1.Principal{
			Id: "campaign-mailer", Type: "service", Roles: []string{"marketer"},
		},
		Action: "contact",
		Data:   []string{"customer.contact.email"},
		Subject: &consentryv1.DataSubject{
			Id:         customer,
			Attributes: []*consentryv1.Attribute{text("country", "DE"), text("born", "1990-01-01")},
		},
		Purpose: "marketing.email",
		Channel: "email",
	})
	if err != nil {
		return false, "unavailable" // the error is for the log: no answer is a no
	}
	return answer.GetEffect() == consentryv1.Effect_EFFECT_PERMIT, answer.GetReason()
}

// record writes down what a customer said. It is durable, and counts everywhere, once this returns.
// The key makes trying again harmless: the same key is recorded once.
func (m *mailer) record(ctx context.Context, kind consentryv1.EventKind, customer, key string) error {
	ctx, cancel := context.WithTimeout(ctx, recordFor)
	defer cancel()
	_, err := m.consents.RecordConsent(ctx, &consentryv1.RecordConsentRequest{
		Events: []*consentryv1.ConsentEvent{{
			Kind:    kind,
			Subject: customer,
			Scope: &consentryv1.ConsentScope{
				Target: &consentryv1.ConsentScope_Purpose{Purpose: "marketing"},
			},
			Notice:         "2026-03",
			Proof:          &consentryv1.Proof{Method: "web_form"},
			IdempotencyKey: key,
		}},
	})
	return err
}

func tell(when string, isPermitted bool, reason string) {
	fmt.Printf("%s: %t, %s\n", when, isPermitted, reason)
}

func run(ctx context.Context, target, customer string) error {
	// A socket in the pod, or loopback. Over a network: credentials.NewTLS.
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	m := newMailer(connection)

	isPermitted, reason := m.mayWrite(ctx, customer)
	tell("before", isPermitted, reason)
	if err := m.record(ctx, consentryv1.EventKind_EVENT_KIND_GIVEN, customer, customer+"-given"); err != nil {
		return err
	}
	isPermitted, reason = m.mayWrite(ctx, customer)
	tell("after consent", isPermitted, reason)
	if err := m.record(ctx, consentryv1.EventKind_EVENT_KIND_WITHDRAWN, customer, customer+"-withdrawn"); err != nil {
		return err
	}
	isPermitted, reason = m.mayWrite(ctx, customer)
	tell("after withdrawal", isPermitted, reason)
	return nil
}

func main() {
	customer := "customer-go"
	if len(os.Args) > 1 {
		customer = os.Args[1]
	}
	if err := run(context.Background(), os.Getenv("CONSENTRY_TARGET"), customer); err != nil {
		log.Fatal(err)
	}
}
