// What runs a Node.js handler: a client of the Runtime API that loads the handler and answers one invocation after the
// other. Plain Node, no packages; it works with Node.js 20 and later.
//
// It loads the module that _HANDLER names, or posts why it cannot be loaded and ends. Then it asks for an invocation,
// calls the handler, posts what came of it, and asks again. What the handler writes to the console goes to the log in
// Lambda's form. An error that nobody catches, or a promise that is rejected and left alone, is posted as the
// invocation's error and ends the process, because nothing is known any more of the state it is in.

import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const root = process.env.LAMBDA_TASK_ROOT;
const majorVersion = Number(process.versions.node.split(".")[0]);

// Node.js 24 on Lambda has no callbacks any more: neither the handler's third parameter nor context.done and the like.
const hasCallbacks = majorVersion < 24;

const API = "/2018-06-01/runtime";
const EXIT_REJECTION = 128;
const EXIT_EXCEPTION = 129;

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol("highWaterMark");
const HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response";

let requestId = "undefined"; // of the invocation that is under way, for the log
let pending = null; // the invocation that has no answer yet

// --- errors ----------------------------------------------------------------------------------------------------------

class RuntimeError extends Error {
  constructor(kind, message, cause) {
    super(message);
    this.name = kind;
    const frames = String(cause?.stack ?? this.stack).split("\n").filter((line) => /^\s+at /.test(line));
    this.stack = [`${kind}: ${message}`, ...frames].join("\n");
  }
}

/** The object that the caller gets to see. */
function describe(error) {
  if (!(error instanceof Error) && !(error?.name && error?.message)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  const trace = typeof error.stack === "string" ? error.stack.split("\n") : [];
  return { errorType: String(error.name), errorMessage: String(error.message), trace };
}

/** The object that the log shows: with what the error's author has added to it. */
function logged(error) {
  const { errorType, errorMessage, trace } = describe(error);
  const own = error instanceof Error ? { ...error } : {};
  return { errorType, errorMessage, ...own, stack: trace };
}

/** JSON, whatever the value is: a circle, a BigInt or a failing toJSON becomes a text that says so. */
function toText(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    return JSON.stringify({ errorType: "Runtime.MarshalError", errorMessage: String(error) });
  }
}

// --- the log ---------------------------------------------------------------------------------------------------------

/** Write one event. A carriage return keeps its lines together. */
function write(level, text) {
  const line = `${new Date().toISOString()}\t${requestId}\t${level}\t${text}`;
  let left = Buffer.from(`${line.replace(/\r?\n/g, "\r")}\n`);
  while (left.length > 0) left = left.subarray(writeSome(left));
}

/** Write what the pipe takes, and say how many bytes. A full one is waited for, so that nothing is lost. */
function writeSome(data) {
  try {
    return fs.writeSync(1, data);
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return 0;
  }
}

function installConsole() {
  const levels = { log: "INFO", info: "INFO", debug: "DEBUG", warn: "WARN", error: "ERROR", trace: "TRACE" };
  for (const [name, level] of Object.entries(levels)) {
    console[name] = (...values) => write(level, format(...values));
  }
}

// --- the Runtime API -------------------------------------------------------------------------------------------------

const agent = new http.Agent({ keepAlive: true });

/** One call; resolves to status, headers and body. */
function call(method, target, headers = {}, body = undefined) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
    const options = { host, port, agent, method, path: `${API}${target}`, headers: { ...headers, ...length } };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

function postError(target, error, headers = {}) {
  const described = describe(error);
  const kind = described.errorType.replace(/[^\x20-\x7e]/g, "?");
  const type = { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": kind };
  return call("POST", target, { ...type, ...headers }, toText(described));
}

// --- the handler -----------------------------------------------------------------------------------------------------

/** Load the function that `name`, `folder/module.export.nested`, stands for. */
async function loadHandler(name) {
  const folder = path.dirname(name);
  const [, moduleName, exported] = /^([^.]+)\.(.+)$/.exec(path.basename(name)) ?? [];
  if (moduleName === undefined || name.split("/").includes("..")) {
    throw new RuntimeError("Runtime.MalformedHandlerName", `Bad handler '${name}': it is no module.function`);
  }
  const loaded = await loadModule(path.join(folder, moduleName));
  const find = (from) => exported.split(".").reduce((found, part) => found?.[part], from);
  const handler = find(loaded) ?? find(loaded?.default);
  if (handler === undefined) {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof handler !== "function") {
    throw new RuntimeError("Runtime.HandlerNotFound", `${name} is not a function`);
  }
  if (!hasCallbacks && handler.length >= 3 && handler[STREAMING] === undefined) {
    const advice = "Node.js 24 and later call no callback: return a promise instead, or use nodejs22.x.";
    throw new RuntimeError("Runtime.CallbackHandlerDeprecated", `${name} takes a callback. ${advice}`);
  }
  return handler;
}

async function loadModule(name) {
  const require = createRequire(path.join(root, "index.js"));
  const base = path.resolve(root, name);
  const found = ["", ".js", ".mjs", ".cjs"].map((end) => base + end).find((file) => isFile(file));
  try {
    if (found === undefined) {
      return require(fs.existsSync(base) ? base : name); // a folder with an index, or a package of a layer
    }
    return isModule(found) ? await import(pathToFileURL(found).href) : require(found);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeError("Runtime.UserCodeSyntaxError", `${error.name}: ${error.message}`, error);
    }
    if (["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error?.code)) {
      throw new RuntimeError("Runtime.ImportModuleError", `${error.name}: ${error.message}`, error);
    }
    throw error;
  }
}

function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Whether a file is an ECMAScript module: by its ending, else by the nearest package.json. */
function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (!file.endsWith(".js")) return false;
  for (let folder = path.dirname(file); folder.startsWith(root); folder = path.dirname(folder)) {
    const described = path.join(folder, "package.json");
    if (isFile(described)) return JSON.parse(fs.readFileSync(described, "utf8")).type === "module";
  }
  return false;
}

// --- streamed responses ----------------------------------------------------------------------------------------------

/** What a streaming handler writes to. The request that carries it begins with the first byte. */
class ResponseStream extends Writable {
  #target;
  #request = null;
  #contentType = "application/octet-stream";
  #prelude = null;
  #answered;

  constructor(target, highWaterMark) {
    super(highWaterMark === undefined ? {} : { highWaterMark });
    this.#target = target;
    this.answered = new Promise((resolve, reject) => (this.#answered = { resolve, reject }));
    this.answered.catch(() => {}); // whoever waits for it gets to know
  }

  get hasBegun() {
    return this.#request !== null;
  }

  setContentType(contentType) {
    this.#contentType = contentType;
  }

  setPrelude(prelude) {
    this.#prelude = prelude;
  }

  #begin() {
    if (this.#request !== null) return;
    const headers = {
      "Content-Type": this.#contentType,
      "Lambda-Runtime-Function-Response-Mode": "streaming",
      "Transfer-Encoding": "chunked",
      Trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
    };
    const options = { host, port, agent, method: "POST", path: `${API}${this.#target}`, headers };
    this.#request = http.request(options, (response) => {
      response.resume();
      response.on("end", () => this.#answered.resolve());
    });
    this.#request.on("error", (error) => {
      this.#answered.reject(error);
      this.destroy(error);
    });
    if (this.#prelude !== null) this.#request.write(this.#prelude);
  }

  _write(chunk, encoding, done) {
    this.#begin();
    if (this.#request.write(chunk)) done();
    else this.#request.once("drain", done);
  }

  _final(done) {
    this.#begin();
    this.#request.end();
    this.answered.then(() => done(), done);
  }

  /** End what has begun with the error in its trailers. */
  fail(error) {
    const described = describe(error);
    this.#request.addTrailers({
      "Lambda-Runtime-Function-Error-Type": described.errorType.replace(/[^\x20-\x7e]/g, "?"),
      "Lambda-Runtime-Function-Error-Body": Buffer.from(toText(described)).toString("base64"),
    });
    this.#request.end();
    return this.answered;
  }
}

/** The response of an HTTP endpoint: status, headers and cookies go ahead of the body, as JSON and eight zero bytes. */
class HttpResponseStream {
  static from(stream, metadata) {
    stream.setContentType(HTTP_RESPONSE);
    stream.setPrelude(Buffer.concat([Buffer.from(JSON.stringify(metadata)), Buffer.alloc(8)]));
    return stream;
  }
}

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = "response";
    if (options?.highWaterMark !== undefined) handler[HIGH_WATER_MARK] = Number(options.highWaterMark);
    return handler;
  },
  HttpResponseStream,
};

// --- one invocation --------------------------------------------------------------------------------------------------

class Invocation {
  #echo; // headers that name the attempt
  #deadline;

  constructor(headers, body) {
    this.id = headers["lambda-runtime-aws-request-id"];
    this.arn = headers["lambda-runtime-invoked-function-arn"];
    this.traceId = headers["lambda-runtime-trace-id"];
    this.clientContext = headers["lambda-runtime-client-context"];
    this.identity = headers["lambda-runtime-cognito-identity"];
    this.#deadline = Number(headers["lambda-runtime-deadline-ms"]);
    const attempt = headers["lambda-runtime-invocation-id"];
    this.#echo = attempt === undefined ? {} : { "Lambda-Runtime-Invocation-Id": attempt };
    this.body = body;
    this.isAnswered = false;
    this.ended = new Promise((resolve) => (this.end = resolve));
  }

  get target() {
    return `/invocation/${this.id}`;
  }

  /** Answer with what the handler returned. Later answers are ignored, as those of a callback called twice. */
  async succeed(result) {
    if (this.isAnswered) return;
    this.isAnswered = true;
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result) ?? "null";
    } catch (error) {
      this.isAnswered = false;
      await this.fail(new RuntimeError("Runtime.MarshalError", `Unable to marshal response: ${error.message}`, error));
      return;
    }
    await call("POST", `${this.target}/response`, { "Content-Type": "application/json", ...this.#echo }, text);
    this.end();
  }

  async fail(error, title = "Invoke Error") {
    if (this.isAnswered) return;
    this.isAnswered = true;
    write("ERROR", `${title} \t${toText(logged(error))}`);
    await postError(`${this.target}/error`, error, this.#echo);
    this.end();
  }

  context() {
    const { env } = process;
    const context = {
      callbackWaitsForEmptyEventLoop: true,
      functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
      functionName: env.AWS_LAMBDA_FUNCTION_NAME,
      memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: parse(this.clientContext, "Client Context"),
      identity: parse(this.identity, "Cognito Identity"),
      invokedFunctionArn: this.arn,
      awsRequestId: this.id,
      getRemainingTimeInMillis: () => Math.max(this.#deadline - Date.now(), 0),
    };
    return context;
  }

  async run(handler) {
    try {
      const event = JSON.parse(this.body.toString("utf8"));
      const context = this.context();
      if (handler[STREAMING] !== undefined) await this.#stream(handler, event, context);
      else await this.#call(handler, event, context);
    } catch (error) {
      await this.fail(error);
    }
    await this.ended;
  }

  async #call(handler, event, context) {
    if (!hasCallbacks) {
      await this.succeed(await Promise.race([handler(event, context), this.#idle()]));
      return;
    }
    this.whenIdle = () => this.succeed(null); // nothing is left to do, and nobody has called back
    const returned = handler(event, context, this.#callback(context));
    if (typeof returned?.then === "function") {
      await this.succeed(await Promise.race([returned, this.#idle()]));
    }
  }

  /** The handler's third parameter; `context` gets the older ways to say the same. */
  #callback(context) {
    const settle = (error, result) => {
      this.whenIdle = null;
      if (error !== null && error !== undefined) this.fail(error);
      else if (context.callbackWaitsForEmptyEventLoop) this.whenIdle = () => this.succeed(result);
      else setImmediate(() => this.succeed(result));
    };
    context.done = (error, result) => {
      context.callbackWaitsForEmptyEventLoop = false;
      settle(error, result);
    };
    context.succeed = (result) => context.done(null, result);
    context.fail = (error) => context.done(error ?? new Error("handled"));
    return settle;
  }

  /** Resolves to null when nothing is left that could ever settle the handler's promise. */
  #idle() {
    return new Promise((resolve) => (this.whenIdle = () => resolve(null)));
  }

  async #stream(handler, event, context) {
    const stream = new ResponseStream(`${this.target}/response`, handler[HIGH_WATER_MARK]);
    const broken = new Promise((_, reject) => stream.once("error", reject));
    broken.catch(() => {}); // the race below sees it, if it comes in time
    try {
      await Promise.race([handler(event, stream, context), broken]);
      if (!stream.writableEnded) stream.end();
      this.whenIdle = null;
      await stream.answered;
    } catch (error) {
      if (!stream.hasBegun) throw error;
      this.isAnswered = true;
      write("ERROR", `Invoke Error \t${toText(logged(error))}`);
      await stream.fail(error);
    }
    this.isAnswered = true;
    this.end();
  }
}

function parse(text, what) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RuntimeError("Runtime.LambdaContextUnmarshalError", `Unable to parse ${what} JSON: ${error.message}`);
  }
}

// --- the process -----------------------------------------------------------------------------------------------------

/** Nothing is known of the state of the process: say so, to the caller if one waits, and end. */
function die(error, title, exitCode) {
  const end = () => process.exit(exitCode);
  if (pending === null || pending.isAnswered) {
    write("ERROR", `${title} \t${toText(logged(error))}`);
    end();
  } else {
    pending.fail(error, title).then(end, end);
  }
}

process.on("uncaughtException", (error) => die(error, "Uncaught Exception", EXIT_EXCEPTION));
process.on("unhandledRejection", (reason, promise) => {
  const error = new RuntimeError("Runtime.UnhandledPromiseRejection", String(reason), reason);
  die(Object.assign(error, { reason, promise }), "Unhandled Promise Rejection", EXIT_REJECTION);
});
process.on("beforeExit", () => {
  const then = pending?.whenIdle;
  if (then) {
    pending.whenIdle = null;
    then();
  }
});

async function main() {
  installConsole();
  let handler;
  try {
    handler = await loadHandler(process.env._HANDLER);
  } catch (error) {
    write("ERROR", `Uncaught Exception \t${toText(logged(error))}`);
    await postError("/init/error", error);
    process.exit(1);
  }
  for (;;) {
    const next = await call("GET", "/invocation/next");
    if (next.status !== 200) throw new Error(`The Runtime API answered ${next.status}: ${next.body}`);
    const invocation = new Invocation(next.headers, next.body);
    requestId = invocation.id;
    if (invocation.traceId === undefined) delete process.env._X_AMZN_TRACE_ID;
    else process.env._X_AMZN_TRACE_ID = invocation.traceId;
    pending = invocation;
    await invocation.run(handler);
    pending = null;
  }
}

main().catch((error) => {
  process.stderr.write(`${error?.stack ?? error}\n`);
  process.exit(1);
});
