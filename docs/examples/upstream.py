# An upstream system asks for a token over AMQP and hears what became of it. Needs: pip install pika
import json, os, urllib.parse, uuid
import pika

url = os.environ["WRIT_AMQP_URL"]  # your broker user is your upstream's name
upstream = urllib.parse.unquote(urllib.parse.urlparse(url).username)
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()

# A durable queue of your own keeps outcomes while you are away; its name begins with yours.
queue = f"{upstream}.outcomes"
channel.queue_declare(queue, durable=True)
channel.queue_bind(queue, "writ.outcomes", f"{upstream}.#")

request_id = str(uuid.uuid4())  # the same id with the same body is the same request, however often you send it
request = {
    "specversion": "1.0", "id": request_id, "source": f"urn:writ:upstream:{upstream}",
    "type": "writ.token.request", "datacontenttype": "application/json",
    "data": {
        "requester": {"id": "svc:nightly-export"}, "reason": "nightly export of orders",
        "resource": "orders", "scopes": ["orders:read"], "environment": "dev", "ttl": "P7D",
        "delivery": {"mode": "claim"},
    },
}
channel.basic_publish(
    "writ.requests", "token.request", json.dumps(request), mandatory=True,
    properties=pika.BasicProperties(delivery_mode=2, user_id=upstream, content_type="application/cloudevents+json"),
)

ends = {"writ.token.issued", "writ.request.denied", "writ.request.refused", "writ.request.lapsed"}
for method, _, body in channel.consume(queue, inactivity_timeout=30):
    if method is None:
        raise SystemExit("no outcome within 30 s; it will wait in the queue")
    outcome = json.loads(body)
    channel.basic_ack(method.delivery_tag)
    if outcome["data"].get("submissionId") != request_id:
        continue
    print(outcome["type"], outcome["data"].get("tokenId") or outcome["data"].get("code") or "")
    if outcome["type"] in ends:
        break
connection.close()
