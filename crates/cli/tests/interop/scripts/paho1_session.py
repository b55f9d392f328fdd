# One client of paho-mqtt 1.6 does what a session can do and prints what it saw, one line each.
# Arguments: port, protocol (a name in paho.mqtt.client), transport.
import queue
import sys
import paho.mqtt.client as mqtt

port, protocol, transport = int(sys.argv[1]), getattr(mqtt, sys.argv[2]), sys.argv[3]
WAIT = 20
events = queue.Queue()

def new(name, will=False):
    clean = {} if protocol == mqtt.MQTTv5 else {"clean_session": True}
    client = mqtt.Client(name, protocol=protocol, transport=transport, **clean)
    if will:
        client.will_set("will/" + name, "gone", qos=1)
    client.on_connect = lambda c, u, flags, rc, *rest: events.put(("connected", int(getattr(rc, "value", rc))))
    client.on_subscribe = lambda c, u, mid, granted, *rest: events.put(
        ("granted", [int(getattr(code, "value", code)) for code in granted]))
    client.on_message = lambda c, u, m: events.put(
        ("message", m.topic, m.payload.decode(), m.qos, int(m.retain)))
    client.on_unsubscribe = lambda *_: events.put(("unsubscribed",))
    client.connect("127.0.0.1", port)
    client.loop_start()
    print(*events.get(timeout=WAIT))
    return client

one = new("one")
for qos in (0, 1, 2):
    one.publish("kept/%d" % qos, "kept %d" % qos, qos=qos, retain=True).wait_for_publish()
one.subscribe([("kept/#", 2), ("will/#", 1), ("live/+", 2)])
print(*events.get(timeout=WAIT))
for message in sorted(events.get(timeout=WAIT) for _ in range(3)):
    print(*message)
for qos in (0, 1, 2):
    one.publish("live/%d" % qos, "x" * qos, qos=qos)
    print(*events.get(timeout=WAIT))
two = new("two", will=True)
# Without DISCONNECT: the broker owes everybody the will.
two.loop_stop()
two._sock_close()
print(*events.get(timeout=WAIT))
one.unsubscribe("live/+")
print(*events.get(timeout=WAIT))
one.disconnect()
one.loop_stop()
