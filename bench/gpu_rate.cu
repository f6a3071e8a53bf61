/* SPDX-License-Identifier: MIT */
/* What a GPU's matrix units and its bus give, for shares: medians of five, as lines that a shell reads.
 *
 *     matrix=TFLOP/s in=GB/s out=GB/s
 *
 * Products of halves with sums in fp32 by mma.sync, all operands in registers; copies of 256 MiB between
 * pinned memory and the device. */
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

enum { RUNS = 5, LOOPS = 4096, ROWS = 8, THREADS = 256 };

__global__ void products(float *out)
{
    uint32_t a[4], b[2];
    float d[ROWS][4] = {};
    for (int i = 0; i < 4; i++)
        a[i] = threadIdx.x * 2654435761u ^ i;
    for (int i = 0; i < 2; i++)
        b[i] = threadIdx.x * 40503u ^ i;
    for (int i = 0; i < LOOPS; i++) {
#pragma unroll
        for (int r = 0; r < ROWS; r++)
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "
                         "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(d[r][0]), "+f"(d[r][1]), "+f"(d[r][2]), "+f"(d[r][3])
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
    float sum = 0;
    for (int r = 0; r < ROWS; r++)
        sum += d[r][0] + d[r][1] + d[r][2] + d[r][3];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

static void check(cudaError_t e)
{
    if (e != cudaSuccess) {
        fprintf(stderr, "%s\n", cudaGetErrorString(e));
        exit(1);
    }
}

/* Seconds of what `enqueue` puts on the default stream. */
template <typename F> static double median(F enqueue)
{
    cudaEvent_t from, to;
    float ms[RUNS];
    check(cudaEventCreate(&from));
    check(cudaEventCreate(&to));
    enqueue();
    for (int r = 0; r < RUNS; r++) {
        check(cudaEventRecord(from));
        enqueue();
        check(cudaEventRecord(to));
        check(cudaEventSynchronize(to));
        check(cudaEventElapsedTime(&ms[r], from, to));
    }
    std::sort(ms, ms + RUNS);
    return ms[RUNS / 2] * 1e-3;
}

int main(void)
{
    const size_t bytes = (size_t)256 << 20;
    cudaDeviceProp gpu;
    void *host, *device;
    check(cudaGetDeviceProperties(&gpu, 0));
    check(cudaMallocHost(&host, bytes));
    check(cudaMalloc(&device, bytes));
    const int blocks = gpu.multiProcessorCount * (2048 / THREADS);
    const double flops = 2.0 * 16 * 8 * 16 * ROWS * LOOPS * (THREADS / 32.0) * blocks;
    const double seconds = median([&] { products<<<blocks, THREADS>>>((float *)device); });
    check(cudaGetLastError());
    const double in =
        median([&] { check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice)); });
    const double out =
        median([&] { check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost)); });
    printf("matrix=%.1f in=%.2f out=%.2f\n", flops / seconds * 1e-12, (double)bytes / in * 1e-9,
           (double)bytes / out * 1e-9);
    return 0;
}
