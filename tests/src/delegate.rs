//! What a store that stands before another one leaves to it.

/// The verbs that no such store changes, and its other ports.
macro_rules! delegate {
    (within Store) => {
        fn enlist(&self, worker: delay::store::Enlist) -> delay::store::Pending<'_, delay::store::WorkerId> {
            self.store.enlist(worker)
        }

        fn start(
            &self,
            fences: Vec<delay::store::Fence>,
        ) -> delay::store::Pending<'_, Vec<delay::store::Settled>> {
            self.store.start(fences)
        }

        fn beat(&self, worker: delay::store::WorkerId) -> delay::store::Pending<'_, ()> {
            self.store.beat(worker)
        }

        fn retire(&self, worker: delay::store::WorkerId) -> delay::store::Pending<'_, ()> {
            self.store.retire(worker)
        }

        fn now(&self) -> delay::store::Pending<'_, delay::Timestamp> {
            self.store.now()
        }

        fn signals(&self) -> &delay::store::Signals {
            self.store.signals()
        }

        fn close(&self) -> delay::store::Pending<'_, ()> {
            self.store.close()
        }
    };
    (Inspect and Upkeep for $before:ty) => {
        impl delay::store::Inspect for $before {
            fn get(
                &self,
                ids: Vec<delay::TaskId>,
            ) -> delay::store::Pending<'_, Vec<Option<delay::store::TaskRecord>>> {
                self.store.get(ids)
            }

            fn list(
                &self,
                filter: delay::store::Filter,
            ) -> delay::store::Pending<'_, Vec<delay::store::TaskRecord>> {
                self.store.list(filter)
            }

            fn counts(&self) -> delay::store::Pending<'_, Vec<delay::store::Count>> {
                self.store.counts()
            }

            fn workers(&self) -> delay::store::Pending<'_, Vec<delay::store::WorkerRecord>> {
                self.store.workers()
            }
        }

        impl delay::store::Upkeep for $before {
            fn upkeep(
                &self,
                rules: delay::store::UpkeepRules,
            ) -> delay::store::Pending<'_, delay::store::Upkept> {
                self.store.upkeep(rules)
            }

            fn act(
                &self,
                action: delay::store::Action,
                ids: Vec<delay::TaskId>,
            ) -> delay::store::Pending<'_, Vec<delay::store::Acted>> {
                self.store.act(action, ids)
            }
        }
    };
    (within Checkpoints) => {
        fn snapshot(&self, id: delay::TaskId) -> delay::store::Pending<'_, Option<Vec<u8>>> {
            self.store.snapshot(id)
        }

        fn suspends(&self, ids: Vec<delay::TaskId>) -> delay::store::Pending<'_, Vec<delay::TaskId>> {
            self.store.suspends(ids)
        }
    };
    (Checkpoints for $before:ty) => {
        impl delay::store::Checkpoints for $before {
            fn checkpoint(
                &self,
                fence: delay::store::Fence,
                bytes: Option<Vec<u8>>,
            ) -> delay::store::Pending<'_, delay::store::Settled> {
                self.store.checkpoint(fence, bytes)
            }

            $crate::delegate::delegate!(within Checkpoints);
        }
    };
    (QueueBook and QueueDesk for $before:ty) => {
        impl delay::store::QueueBook for $before {
            fn queue_configs(&self) -> delay::store::Pending<'_, Vec<delay::queues::QueueConfig>> {
                self.store.queue_configs()
            }

            fn queue_stats(
                &self,
                queues: Vec<String>,
            ) -> delay::store::Pending<'_, Vec<delay::store::QueueStats>> {
                self.store.queue_stats(queues)
            }
        }

        impl delay::store::QueueDesk for $before {
            fn configure(
                &self,
                edit: delay::store::QueueEdit,
            ) -> delay::store::Pending<'_, Vec<delay::queues::Change>> {
                self.store.configure(edit)
            }

            fn lease(
                &self,
                order: delay::store::LeaseOrder,
            ) -> delay::store::Pending<'_, Vec<delay::store::TaskRecord>> {
                self.store.lease(order)
            }

            fn settle_leases(
                &self,
                queue: String,
                settle: Vec<delay::store::LeaseEnd>,
            ) -> delay::store::Pending<'_, Vec<delay::store::LeaseEnded>> {
                self.store.settle_leases(queue, settle)
            }

            fn forget(
                &self,
                queue: String,
                names: Vec<String>,
            ) -> delay::store::Pending<'_, Vec<delay::store::Forgotten>> {
                self.store.forget(queue, names)
            }

            fn purge(&self, queue: String, batch: usize) -> delay::store::Pending<'_, u64> {
                self.store.purge(queue, batch)
            }
        }
    };
}

pub(crate) use delegate;
