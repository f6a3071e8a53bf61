// SPDX-License-Identifier: MIT
// run.js FOLDER NAME C H W ...: runs FOLDER/NAME.onnx on the float32 planes of FOLDER/NAME.in, into
// FOLDER/NAME.ort. PIQUE_ORT names the folder of node_modules, if it is not here.
'use strict';
const fs = require('fs');
const path = require('path');
const ort = require(path.join(process.env.PIQUE_ORT || path.join(__dirname, 'node_modules'),
                              'onnxruntime-node'));

function halfToFloat(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (!exponent)
    return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function floatToHalf(value) {  // of 0 and above, and exact: what the tests put in
  if (!value)
    return 0;
  const exponent = Math.floor(Math.log2(value));
  return exponent + 15 << 10 | (value / 2 ** exponent - 1) * 1024;
}

async function run(base, dims) {
  const session = await ort.InferenceSession.create(base + '.onnx', {graphOptimizationLevel: 'disabled'});
  const bytes = fs.readFileSync(base + '.in');
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  let input = new ort.Tensor('float32', values, dims);
  let results;
  try {
    results = await session.run({[session.inputNames[0]]: input});
  } catch (error) {
    if (!/float16/.test(String(error)))
      throw error;
    input = new ort.Tensor('float16', Uint16Array.from(values, floatToHalf), dims);
    results = await session.run({[session.inputNames[0]]: input});
  }
  const result = results[session.outputNames[0]];
  let data = result.data;
  if (result.type === 'float16')
    data = data instanceof Uint16Array ? Float32Array.from(data, halfToFloat) : Float32Array.from(data);
  fs.writeFileSync(base + '.ort', Buffer.from(data.buffer, data.byteOffset, data.byteLength));
}

async function main(folder, ...rest) {
  for (let i = 0; i < rest.length; i += 4) {
    const dims = [1, ...rest.slice(i + 1, i + 4).map(Number)];
    try {
      await run(path.join(folder, rest[i]), dims);
    } catch (error) {
      console.log(rest[i] + ': ' + String(error).split('\n')[0]);
    }
  }
}

main(...process.argv.slice(2));
