// SPDX-License-Identifier: MIT
// ONNX Runtime as a worker of bench/peers.py:
//     onnxruntime.js MODULES MODEL.onnx WIDTH HEIGHT PLANES THREADS
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

async function main(modules, model, width, height, planes, threads) {
  const ort = require(path.join(modules, 'onnxruntime-node'));
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: 'all', executionMode: 'sequential',
    intraOpNumThreads: Number(threads), interOpNumThreads: 1});
  const bytes = fs.readFileSync(planes);
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const feeds = {[session.inputNames[0]]:
                 new ort.Tensor('float32', values, [1, 3, Number(height), Number(width)])};
  let result;
  async function once() {
    result = (await session.run(feeds))[session.outputNames[0]].data;
  }
  await once();
  const version = require(path.join(modules, 'onnxruntime-node', 'package.json')).version;
  console.log('ready ONNX Runtime ' + version);
  for await (const line of readline.createInterface({input: process.stdin})) {
    if (line === 'run') {
      const start = process.hrtime.bigint();
      await once();
      console.log((Number(process.hrtime.bigint() - start) / 1e9).toFixed(9));
    } else if (line.startsWith('save ')) {
      fs.writeFileSync(line.slice(5), Buffer.from(result.buffer, result.byteOffset, result.byteLength));
      console.log('saved');
    } else {
      throw new Error('what was asked is not understood');
    }
  }
}

main(...process.argv.slice(2));
