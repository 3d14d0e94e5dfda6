//! What a search is about: an address, a client, a domain, an ID, a user; and which rows name it.

use polars::prelude::*;

/// Something that messages, sessions and logins can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Entity {
    Address(String),
    Ip(String),
    Domain(String),
    QueueId(String),
    /// Without brackets, as logged.
    MessageId(String),
    /// A name that logged in.
    User(String),
    /// A key that may be meant in more than one way.
    AnyOf(Vec<Entity>),
}

impl Entity {
    /// What a key given by the user is: an address has `@`, an IP address parses, a domain has a dot, and what looks
    /// like a queue ID is one.
    ///
    /// # Errors
    /// What is wrong with a key that is none of these, in words.
    pub fn new(key: &str) -> Result<Self, String> {
        let key = key.trim().trim_matches(['<', '>', '[', ']']);
        if let Ok(ip) = key.parse::<std::net::IpAddr>() {
            // As servers log it: an IPv6 address in its shortest form.
            return Ok(Entity::Ip(ip.to_string()));
        }
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err("one address, IP address, domain or queue ID is needed".into());
        }
        if key.contains('@') {
            return Ok(Entity::Address(key.to_ascii_lowercase()));
        }
        if let Some((net, _)) = key.split_once('/')
            && net.parse::<std::net::IpAddr>().is_ok()
        {
            return Err(
                "a network is not one address; `mtaudit sql` can select its clients".into(),
            );
        }
        if key.contains('.') {
            return Ok(Entity::Domain(
                key.trim_start_matches('.').to_ascii_lowercase(),
            ));
        }
        if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Entity::QueueId(key.to_owned()));
        }
        Err("this is no address, IP address, domain or queue ID".into())
    }

    /// All that a key may be, for those who search with it: the ways that its shape allows. Host names of clients and
    /// names that logged in can have dots, queue IDs of some servers dashes, and a Message-ID is like an address.
    ///
    /// # Errors
    /// As of [`Entity::new`].
    pub fn all(key: &str) -> Result<Self, String> {
        let whole = key.trim();
        let id = whole.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
        let bare = id.unwrap_or(whole);
        if bare.is_empty() || bare.contains(char::is_whitespace) {
            return Err(
                "one queue ID, Message-ID, address, domain, IP address or user is needed".into(),
            );
        }
        let lower = bare.to_ascii_lowercase();
        let mut ways = match Entity::new(bare) {
            Ok(Entity::Ip(ip)) => return Ok(Entity::Ip(ip)),
            Ok(Entity::Address(address)) => vec![Entity::Address(address)],
            Ok(Entity::Domain(domain)) => vec![Entity::Domain(domain), Entity::User(lower)],
            Ok(_) => vec![Entity::QueueId(bare.to_owned()), Entity::User(lower)],
            Err(why) if bare.contains('/') => return Err(why),
            Err(_) => vec![Entity::QueueId(bare.to_owned()), Entity::User(lower)],
        };
        ways.push(Entity::MessageId(bare.to_owned()));
        Ok(Entity::AnyOf(ways))
    }

    /// The ways in which it can be meant.
    pub fn ways(&self) -> &[Entity] {
        match self {
            Entity::AnyOf(ways) => ways,
            one => std::slice::from_ref(one),
        }
    }

    /// The key as it is searched for in text.
    pub fn key(&self) -> &str {
        match self {
            Entity::Address(key)
            | Entity::Ip(key)
            | Entity::Domain(key)
            | Entity::QueueId(key)
            | Entity::MessageId(key)
            | Entity::User(key) => key,
            Entity::AnyOf(ways) => ways.first().map_or("", Entity::key),
        }
    }
}

/// Columns that name an entity, by table.
fn columns_of(table: &str, entity: &Entity) -> &'static [&'static str] {
    match (table, entity) {
        ("messages", Entity::Address(_)) => &["sender", "auth_user"],
        ("messages", Entity::Ip(_)) => &["client_ip"],
        ("messages", Entity::Domain(_)) => &["sender_domain", "client_name", "auth_user"],
        ("attempts", Entity::Address(_)) => &["recipient", "orig_recipient"],
        ("attempts", Entity::Ip(_)) => &["relay_ip"],
        ("attempts", Entity::Domain(_)) => &["recipient_domain", "relay_name"],
        ("deliveries", Entity::Address(_)) => &["recipient"],
        ("deliveries", Entity::Ip(_)) => &["relay_ip"],
        ("deliveries", Entity::Domain(_)) => &["recipient_domain", "relay_name"],
        ("rejections", Entity::Address(_)) => &["sender", "recipient", "auth_user"],
        ("rejections", Entity::Ip(_)) => &["client_ip"],
        ("rejections", Entity::Domain(_)) => {
            &["sender_domain", "recipient_domain", "helo", "client_name"]
        }
        ("sessions" | "logins", Entity::Address(_)) => &["auth_user"],
        ("sessions" | "logins", Entity::Ip(_)) => &["client_ip"],
        ("sessions" | "logins", Entity::Domain(_)) => &["client_name", "auth_user"],
        ("verdicts", Entity::Address(_)) => &["sender", "recipient"],
        ("verdicts", Entity::Ip(_)) => &["client_ip"],
        ("messages", Entity::MessageId(_)) => &["message_id"],
        ("messages" | "rejections" | "sessions" | "logins", Entity::User(_)) => &["auth_user"],
        ("attempts", Entity::QueueId(_)) => &["queue_id", "next_queue_id"],
        ("messages" | "deliveries" | "rejections" | "verdicts", Entity::QueueId(_)) => {
            &["queue_id"]
        }
        _ => &[],
    }
}

pub(super) fn any(conditions: impl Iterator<Item = Expr>) -> Expr {
    conditions.reduce(Expr::or).unwrap_or(lit(false))
}

/// Rows of a table that name it.
pub(super) fn names(table: &str, entity: &Entity) -> Expr {
    if let Entity::AnyOf(ways) = entity {
        return any(ways.iter().map(|way| names(table, way)));
    }
    any(columns_of(table, entity).iter().map(|column| {
        let column = col(*column);
        let found = match entity {
            Entity::QueueId(id) | Entity::MessageId(id) => column.eq(lit(id.clone())),
            // Asked for above, way by way.
            Entity::AnyOf(_) => lit(false),
            Entity::Address(key) | Entity::Ip(key) | Entity::User(key) => {
                column.str().to_lowercase().eq(lit(key.clone()))
            }
            Entity::Domain(key) => {
                let lower = column.str().to_lowercase();
                lower
                    .clone()
                    .eq(lit(key.clone()))
                    .or(lower.clone().str().ends_with(lit(format!(".{key}"))))
                    .or(lower.str().ends_with(lit(format!("@{key}"))))
            }
        };
        found.fill_null(lit(false))
    }))
}

/// What the server says of itself touches an entity when it names it.
pub(super) fn mentions(entity: &Entity) -> Expr {
    let text = match entity {
        Entity::AnyOf(ways) => return any(ways.iter().map(mentions)),
        // A name may be any word.
        Entity::User(_) => return lit(false),
        Entity::QueueId(_) | Entity::MessageId(_) => col("text"),
        _ => col("text").str().to_lowercase(),
    };
    let found = text.str().contains_literal(lit(entity.key().to_owned()));
    found.fill_null(lit(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let is = |key: &str, entity: Entity| assert_eq!(Entity::new(key), Ok(entity), "{key}");
        is(
            "<Alice@Corp.example>",
            Entity::Address("alice@corp.example".into()),
        );
        is("[192.0.2.1]", Entity::Ip("192.0.2.1".into()));
        is("2001:DB8::1", Entity::Ip("2001:db8::1".into()));
        is("2001:0db8:0::1", Entity::Ip("2001:db8::1".into()));
        is("corp.example", Entity::Domain("corp.example".into()));
        is(".Corp.example", Entity::Domain("corp.example".into()));
        is("4F3kz92abc", Entity::QueueId("4F3kz92abc".into()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for key in [
            "",
            "  ",
            "<>",
            "192.0.2.0/24",
            "2001:db8::/32",
            "a b",
            "a,b",
        ] {
            assert!(Entity::new(key).is_err(), "{key:?}");
        }
    }
}
