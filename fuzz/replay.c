/* SPDX-License-Identifier: MIT */
/* replay FOLDER: each file of a folder through a fuzz target, once. What a fuzzer found stays
 * there, and a build with sanitizers sees it again. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 1 << 20 };

static int replay(const char *path, uint8_t *data)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return 1;
    }
    size_t n = fread(data, 1, MOST_BYTES, f);
    fclose(f);
    printf("%s\n", path);
    fflush(stdout); /* so that the last line names the one that ends the process */
    LLVMFuzzerTestOneInput(data, n);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    uint8_t *data = malloc(MOST_BYTES);
    int rc = !folder || !data, count = 0;
    for (struct dirent *e; !rc && (e = readdir(folder));) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        rc = replay(path, data);
        count++;
    }
    if (folder)
        closedir(folder);
    free(data);
    printf("%d inputs\n", count);
    return rc || count == 0;
}
