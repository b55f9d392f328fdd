# Publishes as the notes do, many times, each time in a process that ends at once: no loop, no DISCONNECT.
# Arguments: port, number of processes, user, password.
import os
import sys
import paho.mqtt.client as mqtt

port, count, user, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]

def publish(number):
    client = mqtt.Client("fire%d" % number)
    client.username_pw_set(user, password)
    client.connect("127.0.0.1", port)
    client.publish("test", "shot %d" % number)

for number in range(count):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            publish(number)
            status = 0
        finally:
            # The kernel closes the socket; nothing is flushed or said goodbye to.
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.exit("publisher %d ended with %d" % (number, status))
print("fired", count)
