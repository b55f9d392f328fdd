# The notes' second program returns at once; a shell would stay open. The test closes our input instead.
sys.stdin.read()
client.loop_stop()
client.disconnect()
