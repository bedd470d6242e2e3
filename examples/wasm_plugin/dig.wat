;; Calls itself until the stack is used up.
(module (func $dig (export "run") (call $dig) (call $dig)))
