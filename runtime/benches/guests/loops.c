// clang --target=wasm32 -O2 -fno-builtin -nostdlib -Wl,--no-entry,--strip-all -o loops.wasm loops.c
// Pure compute, no host calls: integer hashing over a 1 MiB table, with an inner call that is not inlined.
typedef unsigned long long u64; typedef unsigned int u32;
static u64 tab[131072];
__attribute__((noinline)) static u64 mix(u64 x){ x^=x>>33; x*=0xff51afd7ed558ccdULL; x^=x>>33; x*=0xc4ceb9fe1a85ec53ULL; x^=x>>33; return x; }
__attribute__((export_name("hot_inline"))) u64 hot_inline(u32 n){
  u64 a=1,b=2; for(u32 i=0;i<n;i++){ a=a*6364136223846793005ULL+1442695040888963407ULL; u32 k=(u32)(a>>47); tab[k]^=a; b+=tab[(k*7)&131071]; b=(b<<13)|(b>>51);} return b; }
__attribute__((export_name("hot_call"))) u64 hot_call(u32 n){
  u64 a=1; for(u32 i=0;i<n;i++){ a=mix(a+i); tab[a&131071]+=a; } return a; }
__attribute__((noinline)) static u32 fib_(u32 n){ return n<2?n:fib_(n-1)+fib_(n-2); }
__attribute__((export_name("fib"))) u32 fib(u32 n){ return fib_(n); }
