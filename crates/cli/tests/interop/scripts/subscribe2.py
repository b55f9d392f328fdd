# The notes' second program in the words of paho-mqtt 2.
import sys
import paho.mqtt.client as mqtt
def on_message(client, userdata, message):
    print("message received " ,str(message.payload.decode("utf-8")))
    print("message topic=",message.topic)
    print("message qos=",message.qos)
    print("message retain flag=",message.retain)
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "Sub", protocol=getattr(mqtt, sys.argv[1]))
client.connect("test.mosquitto.org", 1883)
client.on_subscribe = lambda *_: print("subscribed")
client.on_message=on_message
client.loop_start()
client.subscribe('xpert2018/#')
sys.stdin.read()
client.loop_stop()
client.disconnect()
