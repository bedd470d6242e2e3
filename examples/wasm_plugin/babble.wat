;; Writes a result without end.
(module
    (import "delay" "output" (func $output (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "run") (loop $for_ever (call $output (i32.const 0) (i32.const 65536)) (br $for_ever))))
