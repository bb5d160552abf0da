// Node has an event loop in each worker and a pool of threads below them. Prints what came of all of them.
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const { execFile } = require("child_process");
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const { promisify } = require("util");

const get = (port, path) =>
  new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port, path, agent: false }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece)).on("end", () => resolve(text));
    }).on("error", reject);
  });

async function work() {
  const counters = new Int32Array(workerData.shared);
  const key = (await promisify(crypto.pbkdf2)("secret", "salt" + workerData.index, 1000, 16, "sha256")).length;
  const file = (await fs.promises.readFile(__filename)).length > 1000;
  const answers = await Promise.all([...Array(20).keys()].map((i) => get(workerData.port, `/${workerData.index}/${i}`)));
  const right = answers.filter((text, i) => text === `/${workerData.index}/${i}`).length;
  Atomics.add(counters, 0, 1);
  Atomics.notify(counters, 0);
  while (Atomics.load(counters, 1) === 0) Atomics.wait(counters, 1, 0);
  parentPort.postMessage({ key, file, right });
}

async function lead() {
  const workers = 4;
  const shared = new SharedArrayBuffer(8);
  const counters = new Int32Array(shared);
  const server = http.createServer((request, answer) => setTimeout(() => answer.end(request.url), 5));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = server.address().port;
  const all = [...Array(workers).keys()].map((index) => {
    const worker = new Worker(__filename, { workerData: { index, port, shared } });
    return new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
  });
  while (Atomics.load(counters, 0) < workers) await new Promise((resolve) => setTimeout(resolve, 1));
  Atomics.store(counters, 1, 1);
  Atomics.notify(counters, 1);
  const found = await Promise.all(all);
  console.log("workers", found.map((one) => `${one.key} ${one.file} ${one.right}`).join(", "));
  const { stdout } = await promisify(execFile)("/bin/echo", ["child"]);
  console.log("command", stdout.trim());
  server.close(() => console.log("ended"));
}

isMainThread ? lead() : work();
