//! A store with three queues: `mail` is for pushing, `frames` for pulling, `web` has a target.

use delay::queues::{Mode, QueueConfig};
use delay::store::{QueueEdit, Resume};
use delay::taskqueue::Queue;
use delay::{Client, Limits, Result};
use delay_tests::Fixture;

pub(crate) struct Shop {
    pub(crate) f: Fixture,
    pub(crate) client: Client,
}

impl Shop {
    pub(crate) async fn on(f: Fixture) -> Result<Self> {
        let client = Client::new(f.store().clone(), Limits::default());
        let shop = Self { f, client };
        let mut frames = QueueConfig::new("frames")?;
        frames.mode = Mode::Pull;
        let mut web = QueueConfig::new("web")?;
        web.target = Some("https://web.example.com/".to_owned());
        shop.apply(vec![QueueConfig::new("mail")?, frames, web]).await?;
        Ok(shop)
    }

    pub(crate) async fn apply(&self, queues: Vec<QueueConfig>) -> Result<()> {
        self.f.store().configure(QueueEdit::Apply { queues, resume: Resume::ByOperator }).await.map(drop)
    }

    pub(crate) fn queue(&self, name: &str) -> Result<Queue> {
        self.client.taskqueue(name)
    }

    /// How many tasks there are in all.
    pub(crate) async fn tasks(&self) -> Result<u64> {
        Ok(self.f.store().counts().await?.iter().map(|count| count.tasks).sum())
    }
}
