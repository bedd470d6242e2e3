;; A hash over so many rounds: the argument {"rounds": n}, a number above 65,535; the result is a number of 64 bits.
(module
    (import "delay" "input" (func $input (param i32 i32 i32) (result i32)))
    (import "delay" "output" (func $output (param i32 i32)))
    (memory (export "memory") 1)
    ;; MessagePack's numbers begin with their highest byte, those of the memory with the lowest.
    (func $swap (param i32) (result i32)
        (i32.or (i32.rotl (i32.and (local.get 0) (i32.const 0x00ff00ff)) (i32.const 24))
                (i32.rotl (i32.and (local.get 0) (i32.const 0xff00ff00)) (i32.const 8))))
    (func (export "run") (local $n i32) (local $x i64)
        ;; A map of one, a text of six letters, the mark of a number of 32 bits, the number.
        (drop (call $input (i32.const 0) (i32.const 0) (i32.const 13)))
        (if (i32.ne (i32.load8_u (i32.const 8)) (i32.const 0xce)) (then unreachable))
        (local.set $n (call $swap (i32.load (i32.const 9))))
        (loop $round
            (local.set $x (i64.mul
                (i64.xor (i64.add (local.get $x) (i64.extend_i32_u (local.get $n)))
                         (i64.shr_u (local.get $x) (i64.const 33)))
                (i64.const 0xff51afd7ed558ccd)))
            (br_if $round (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store8 (i32.const 16) (i32.const 0xcf))
        (i32.store (i32.const 17) (call $swap (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 32)))))
        (i32.store (i32.const 21) (call $swap (i32.wrap_i64 (local.get $x))))
        (call $output (i32.const 16) (i32.const 9))))
