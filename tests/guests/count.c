// Counts to its argument, a hash all the way, and says in the log how far it is.
//
//   clang --target=wasm32 -O2 -fno-builtin -nostdlib -Wl,--no-entry,--strip-all,-zstack-size=65536 -o count.wasm count.c

#define DELAY(name) __attribute__((import_module("delay"), import_name(#name)))

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

DELAY(input) u32 input(void *to, u32 offset, u32 length);
DELAY(output) void output(const void *from, u32 length);
DELAY(log) void log_line(u32 level, const void *from, u32 length);

static void say(u32 at) {
    char line[16] = "at ", digits[10];
    u32 count = 0, length = 3;
    do digits[count++] = '0' + at % 10; while (at /= 10);
    while (count) line[length++] = digits[--count];
    log_line(2, line, length);
}

// Recursive and not inlined, so that a suspension finds several frames with pointers into the stack.
__attribute__((noinline)) static u64 mix(u64 x, u32 deep) {
    volatile u64 kept[2] = {x, deep};
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    if (deep) x += mix(x, deep - 1);
    return x ^ kept[0] ^ kept[1];
}

__attribute__((export_name("run"))) int run(void) {
    // {"n": u32}: a map of one, a text of one letter, the mark of a number of 32 bits, the number.
    u8 in[8], out[9] = {0xcf};
    if (input(in, 0, 8) != 8 || in[3] != 0xce) return 2;
    u32 n = (u32)in[4] << 24 | (u32)in[5] << 16 | (u32)in[6] << 8 | in[7];
    u64 x = 1;
    for (u32 i = 0; i < n; i++) {
        x = mix(x + i, 3);
        if (i % 65536 == 0) say(i);
    }
    for (int i = 0; i < 8; i++) out[1 + i] = x >> (56 - 8 * i);
    output(out, 9);
    return 0;
}
