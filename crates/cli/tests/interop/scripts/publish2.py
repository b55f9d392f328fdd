# The notes' first program in the words of paho-mqtt 2.
import sys
import paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "Me", protocol=getattr(mqtt, sys.argv[1]))
client.connect("test.mosquitto.org", 1883)
client.publish("xpert2018/demo/chal", "Hello fortinet")
