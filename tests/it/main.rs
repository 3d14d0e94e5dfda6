//! The one integration binary: each further one would cost seconds of linking.

mod corpora_postfix;
mod readme;
