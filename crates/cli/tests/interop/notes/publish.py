import paho.mqtt.client as mqtt
broker_address = "test.mosquitto.org"
client = mqtt.Client("Me")
client.connect(broker_address, 1883)
client.publish("xpert2018/demo/chal", "Hello fortinet")
