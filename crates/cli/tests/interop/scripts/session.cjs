// One conversation of MQTT.js clients with the broker; prints what was seen, one line each.
// Arguments: URL, protocol version (3, 4 or 5).
const mqtt = require('mqtt');
const { once } = require('events');

const [url, version] = [process.argv[2], Number(process.argv[3])];
const five = version === 5;
const open = new Set();

// A promise that fails when nothing happens for too long.
function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what}`)), 20000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function connect(clientId, options = {}) {
  const client = mqtt.connect(url, {
    clientId,
    protocolVersion: version,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    reconnectPeriod: 0,
    ...options,
  });
  open.add(client);
  client.inbox = [];
  client.waiting = [];
  client.on('message', (topic, payload, packet) => {
    const waiting = client.waiting.shift();
    if (waiting) waiting(packet); else client.inbox.push(packet);
  });
  client.on('error', (error) => { console.log('error', clientId, error.message); });
  const [connack] = await soon(once(client, 'connect'), `CONNACK for ${clientId}`);
  console.log('connected', clientId, five ? connack.reasonCode : connack.returnCode);
  return client;
}

function next(client) {
  if (client.inbox.length > 0) return Promise.resolve(client.inbox.shift());
  return soon(new Promise((resolve) => client.waiting.push(resolve)), 'message');
}

function show(packet) {
  const line = ['message', packet.topic, packet.payload.toString(), packet.qos, packet.retain];
  if (five && packet.properties) {
    const { contentType, responseTopic, correlationData, payloadFormatIndicator, userProperties, subscriptionIdentifier } = packet.properties;
    line.push(JSON.stringify({
      contentType,
      responseTopic,
      correlationData: correlationData && correlationData.toString(),
      payloadFormatIndicator,
      userProperties,
      subscriptionIdentifier,
    }));
  }
  console.log(...line);
}

async function main() {
  const sub = await connect('sub');
  const pub = await connect('pub');
  await pub.publishAsync('kept/0', 'kept', { qos: 1, retain: true });
  const options = five ? { qos: 2, properties: { subscriptionIdentifier: 7 } } : { qos: 2 };
  const granted = await sub.subscribeAsync(['kept/+', 'live/#', 'will/+'], options);
  console.log('granted', ...granted.map((grant) => grant.qos));
  show(await next(sub));
  for (const qos of [0, 1, 2]) {
    await pub.publishAsync(`live/${qos}`, `payload ${qos}`, { qos });
    show(await next(sub));
  }
  if (five) {
    await pub.publishAsync('live/properties', 'p', {
      qos: 1,
      properties: {
        contentType: 'text/plain',
        responseTopic: 'answer/here',
        correlationData: Buffer.from('correlated'),
        payloadFormatIndicator: true,
        userProperties: { key: ['one', 'two'], other: 'three' },
      },
    });
    show(await next(sub));
  }
  const dying = await connect('dying', { will: { topic: 'will/dying', payload: 'gone', qos: 1, retain: false } });
  // Without DISCONNECT: the broker owes everybody the will.
  dying.stream.destroy();
  show(await next(sub));
  await pub.publishAsync('kept/0', '', { qos: 1, retain: true });
  show(await next(sub));
  await sub.unsubscribeAsync('live/#');
  console.log('unsubscribed');
  for (const client of open) client.end(true);
}

main().then(
  () => process.exit(0),
  (error) => { console.error(error); process.exit(1); },
);
