//! stub
pub struct Question<'a> {
    pub reply: &'a [u8],
    pub reply_code: u16,
    pub dsn: &'a [u8],
    pub at: At,
    pub status_expired: bool,
}
pub enum At {
    Delivery,
    Rejection,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub cause: &'static str,
    pub reason: &'static str,
}
pub fn classify(_q: &Question) -> Class {
    Class {
        cause: "undetermined",
        reason: "undetermined",
    }
}
impl Class {
    pub fn expired() -> Self {
        Class {
            cause: "expired",
            reason: "expired",
        }
    }
}
