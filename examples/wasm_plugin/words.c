// A plugin in C: counts the words of its argument `text`.
//
//   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry,--strip-all,-zstack-size=65536 -o words.wasm words.c

#define DELAY(name) __attribute__((import_module("delay"), import_name(#name)))

typedef unsigned int u32;
typedef unsigned char u8;

DELAY(input_size) u32 input_size(void);
DELAY(input) u32 input(void *to, u32 offset, u32 length);
DELAY(output) void output(const void *from, u32 length);
DELAY(log) void log_line(u32 level, const void *from, u32 length);

static u8 arguments[1 << 16];

// The arguments are a MessagePack map, {"text": …}: here a map of one, a text of four letters, and a text.
static const u8 *text(u32 *length) {
    static const u8 head[] = {0x81, 0xa4, 't', 'e', 'x', 't'};
    u32 size = input_size();
    if (size > sizeof arguments || input(arguments, 0, size) < sizeof head + 1) return 0;
    for (u32 i = 0; i < sizeof head; i++)
        if (arguments[i] != head[i]) return 0;
    const u8 *at = arguments + sizeof head;
    if (*at >= 0xa0 && *at <= 0xbf) return *length = *at & 0x1f, at + 1;
    if (*at == 0xd9) return *length = at[1], at + 2;
    if (*at == 0xda) return *length = at[1] << 8 | at[2], at + 3;
    return 0;
}

// 0 is success, with a result; 2 a failure that no retry will help, with a reason.
__attribute__((export_name("run"))) int run(void) {
    static const char wrong[] = "the text is missing, or too long", counting[] = "counting";
    u32 length, words = 0;
    const u8 *at = text(&length);
    if (!at) return output(wrong, sizeof wrong - 1), 2;
    log_line(2, counting, sizeof counting - 1);
    for (u32 i = 0; i < length; i++)
        if (at[i] > ' ' && (i == 0 || at[i - 1] <= ' ')) words++;
    u8 number[] = {0xce, words >> 24, words >> 16, words >> 8, words};
    output(number, sizeof number);
    return 0;
}
