// The work of job.py, for serverless-offline: sleep if told to, then append one record of 16 bytes.
'use strict'
const fs = require('fs')

const records = fs.openSync(process.env.PEER_RECORDS, 'a')
const sleep = Number(process.env.PEER_SLEEP || 0) * 1000

exports.run = async (event) => {
  if (sleep) await new Promise((done) => setTimeout(done, sleep))
  const record = Buffer.alloc(16)
  record.writeInt32LE(Number(event.number), 0)
  record.writeInt32LE(process.pid, 4)
  record.writeBigInt64LE(process.hrtime.bigint(), 8) // CLOCK_MONOTONIC
  fs.writeSync(records, record)
}
