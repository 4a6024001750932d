// Preloaded into a client's own tests: what they connect to port 5672 of goes to AMQP_PORT.
const net = require('net');
const connect = net.connect;
const port = Number(process.env.AMQP_PORT);
net.connect = function (options, ...rest) {
  if (options && Number(options.port) === 5672) options = {...options, port};
  return connect.call(this, options, ...rest);
};
