// clang --target=wasm32 -O2 -fno-builtin -nostdlib -Wl,--no-entry,--strip-all -o mixed.wasm mixed.c
// heavier mix: nested loops, matmul (f64), sieve, sorting via indirect compare, calls inside loops
typedef unsigned long long u64; typedef unsigned int u32;
static double A[128*128],B[128*128],C[128*128]; static unsigned char S[4<<20]; static u32 V[1<<18];
__attribute__((export_name("matmul"))) u64 matmul(u32 r){ u32 n=128; for(u32 i=0;i<n*n;i++){A[i]=i%7;B[i]=i%5;} double s=0; for(u32 k=0;k<r;k++){ for(u32 i=0;i<n;i++)for(u32 j=0;j<n;j++){double t=0;for(u32 l=0;l<n;l++)t+=A[i*n+l]*B[l*n+j];C[i*n+j]=t;} s+=C[(k*37)%(n*n)]; A[k%(n*n)]+=1;} return (u64)s; }
__attribute__((export_name("sieve"))) u64 sieve(u32 r){ u64 c=0; for(u32 k=0;k<r;k++){ for(u32 i=0;i<sizeof S;i++)S[i]=1; for(u32 i=2;i*i<sizeof S;i++) if(S[i]) for(u32 j=i*i;j<sizeof S;j+=i)S[j]=0; for(u32 i=2;i<sizeof S;i++)c+=S[i];} return c; }
typedef int (*cmp)(u32,u32); __attribute__((noinline)) static int up(u32 a,u32 b){return a<b;} __attribute__((noinline)) static int dn(u32 a,u32 b){return a>b;}
static cmp volatile tabc[2]={up,dn};
static void qs(u32*v,int lo,int hi,cmp f){ while(lo<hi){ u32 p=v[(lo+hi)>>1]; int i=lo,j=hi; while(i<=j){ while(f(v[i],p))i++; while(f(p,v[j]))j--; if(i<=j){u32 t=v[i];v[i]=v[j];v[j]=t;i++;j--;} } if(j-lo<hi-i){qs(v,lo,j,f);lo=i;}else{qs(v,i,hi,f);hi=j;} } }
__attribute__((export_name("sort"))) u64 sort(u32 r){ u64 h=0; for(u32 k=0;k<r;k++){ u32 x=12345+k; for(u32 i=0;i<1<<18;i++){x^=x<<13;x^=x>>17;x^=x<<5;V[i]=x;} qs(V,0,(1<<18)-1,tabc[k&1]); for(u32 i=0;i<1<<18;i+=997)h=h*31+V[i];} return h; }
