// Uses BullMQ as an application does, and prints what came of it: bulk jobs, retries, delays, priorities, failures,
// repeated jobs, flows of parents and children, pause, cleaning. Run by redis_jobs.py: bullmq.js PORT PREFIX
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');

const options = { connection: { host: '127.0.0.1', port: Number(process.argv[2]) }, prefix: process.argv[3] };
const wait_ms = 20000;

async function work(job) {
  if (job.name === 'flaky' && job.attemptsMade === 0) throw new Error('once');
  if (job.name === 'dead') throw new Error('always');
  await job.updateProgress(50);
  return job.data.n * 2;
}

async function main() {
  const queue = new Queue('work', options);
  const events = new QueueEvents('work', options);
  await events.waitUntilReady();
  const worker = new Worker('work', work, { ...options, concurrency: 4 });
  await worker.waitUntilReady();
  const finished = (job) => job.waitUntilFinished(events, wait_ms);

  const jobs = await queue.addBulk(Array.from({ length: 30 }, (_, n) => ({ name: 'plain', data: { n } })));
  jobs.push(await queue.add('flaky', { n: 7 }, { attempts: 3, backoff: { type: 'fixed', delay: 50 } }));
  jobs.push(await queue.add('late', { n: 8 }, { delay: 200 }));
  jobs.push(await queue.add('first', { n: 9 }, { priority: 1 }));
  const dead = await queue.add('dead', {}, { attempts: 1 });
  const sum = (await Promise.all(jobs.map(finished))).reduce((a, b) => a + b, 0);
  const why = await finished(dead).then(() => 'no error', (error) => error.message);
  const counts = await queue.getJobCounts('completed', 'failed', 'waiting', 'active', 'delayed');

  await queue.upsertJobScheduler('every', { every: 100 }, { name: 'plain', data: { n: 1 } });
  await new Promise((resolve) => setTimeout(resolve, 500)); // a few rounds
  await queue.removeJobScheduler('every');
  const repeated = (await queue.getJobCounts('completed')).completed > counts.completed;

  const flow = new FlowProducer(options);
  const child = (n) => ({ name: 'plain', data: { n }, queueName: 'work' });
  const tree = await flow.add({ name: 'parent', queueName: 'work', data: { n: 5 }, children: [child(1), child(2)] });
  const parent = await finished(tree.job);
  const children = Object.values(await tree.job.getChildrenValues()).sort();
  await worker.close();

  await queue.pause();
  await queue.add('plain', { n: 1 });
  const { paused } = await queue.getJobCounts('paused');
  await queue.resume();
  await queue.drain();
  await queue.clean(0, 1000, 'completed');
  await queue.obliterate({ force: true });
  console.log(JSON.stringify({ sum, why, counts, repeated, parent, children, paused }));
  await Promise.all([events.close(), queue.close(), flow.close()]);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
