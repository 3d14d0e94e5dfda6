//! Rows whose symbols are those of one table of texts get those of another: a block's, the shared one's, the next one's.
//!
//! Each row names all its fields here, texts first, so that a new one cannot be forgotten.

use super::rows::{
    Attempt, Login, Message, Notification, Rejection, ServerEvent, Session, TlsTo, Verdict,
};
use crate::strings::Renumber;

macro_rules! texts {
    ($($row:ident { $($text:ident)* } $($other:ident)*;)*) => {$(
        impl $row {
            pub(super) fn resolve(&mut self, texts: &mut impl Renumber) {
                let $row { $($text,)* $($other: _,)* } = self;
                $(texts.put($text);)*
            }
        }
    )*};
}

texts! {
    Message {
        host queue_id service message_id sender client_name client_ip helo protocol auth_user
        auth_method orig_queue_id
    }
        place first_ts last_ts head received_ts removed_ts size nrcpt client_port queued expired_ts
        deleted requeued held discarded session leading previous taken over;
    Attempt {
        transport recipient recipient_domain orig_recipient relay_name relay_ip dsn reply
        next_queue_id tls_version
    }
        place message ts pid relay_port delay delays status reply_code class via conn_use;
    Rejection {
        host service dsn reply client_name client_ip helo protocol sender sender_domain recipient
        recipient_domain auth_user queue_id dnsbl
    }
        place ts stage action reply_code class session message;
    Session {
        host service client_name client_ip tls_version tls_cipher auth_user auth_method helo
        protocol end_stage
    }
        place pid connect_ts disconnect_ts first_ts last_ts client_port tls_failed logins_ok logins_failed
        commands messages rejections end end_place closed passed screen stretch leading over trace;
    Login {
        host service auth_user auth_method client_name client_ip failure
    }
        place ts tls success credentials attempts session;
    Verdict {
        host queue_id program detail client_ip sender recipient
    }
        place ts message verdict score;
    ServerEvent {
        host program text
    }
        place pid ts severity kind;
    Notification {
        new_queue_id
    }
        message ts notice;
    TlsTo {
        host relay_ip version
    }
        place ts pid relay_port;
}
