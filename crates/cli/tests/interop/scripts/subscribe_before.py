# What the notes' second program continues: a connected client. Prints `subscribed` when the broker has said so.
import sys
import paho.mqtt.client as mqtt
client = mqtt.Client("Sub")
client.connect("test.mosquitto.org", 1883)
client.on_subscribe = lambda *_: print("subscribed")
