//! TLS of listeners, with certificates and with pre-shared keys.

use crate::capability::Capability;
use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::listener;

const fn row(scope: Scope, name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Tls, scope, name, syntax).with_status(Status::Needs(Capability::Tls))
}

const fn switch(scope: Scope, name: &'static str) -> Directive {
    let status = Status::NeedsWhen("true", Capability::Tls);
    Directive::new(Section::Tls, scope, name, "BOOL").default("false").with_status(status)
}

pub(super) static ROWS: &[Directive] = &[
    row(Scope::ListenerOrDefault, "certfile", "PATH")
        .text(|d, v| d.listener().tls.certfile = Some(v.into()))
        .doc("The listener's certificate and its chain, in PEM. Needs `keyfile`. Read again at SIGHUP."),
    row(Scope::ListenerOrDefault, "keyfile", "PATH")
        .text(|d, v| d.listener().tls.keyfile = Some(v.into()))
        .doc("The private key that belongs to `certfile`. Read again at SIGHUP."),
    row(Scope::Listener, "cafile", "PATH")
        .restart()
        .text(|d, v| d.listener().tls.cafile = Some(v.into()))
        .doc("The certificates, in PEM, that may have signed a client's certificate."),
    row(Scope::ListenerOrDefault, "capath", "DIR")
        .restart()
        .text(|d, v| d.listener().tls.capath = Some(v.into()))
        .doc("The same as a directory of hashed names, as `openssl rehash` makes it."),
    row(Scope::ListenerOrDefault, "crlfile", "PATH")
        .restart()
        .text(|d, v| d.listener().tls.crlfile = Some(v.into()))
        .doc("A list of revoked client certificates, in PEM."),
    switch(Scope::ListenerOrDefault, "require_certificate")
        .bool(|d, v| d.listener().tls.require_certificate = v)
        .doc("Refuses a client that brings no valid certificate."),
    switch(Scope::ListenerOrDefault, "use_identity_as_username")
        .bool(|d, v| d.listener().tls.use_identity_as_username = v)
        .doc(
            "Takes the user name from the common name of the client's certificate, or from its PSK identity, \
             and asks for no password.",
        ),
    switch(Scope::ListenerOrDefault, "use_subject_as_username")
        .bool(|d, v| d.listener().tls.use_subject_as_username = v)
        .doc("Takes the user name from the whole subject of the client's certificate, in RFC 2253 order."),
    switch(Scope::Listener, "disable_client_cert_date_checks")
        .bool(|d, v| d.listener().tls.disable_client_cert_date_checks = v)
        .doc("Accepts client certificates that have expired or are not valid yet."),
    row(Scope::Listener, "tls_version", "tlsv1.2 | tlsv1.3")
        .without("1.2 and 1.3")
        .restart()
        .custom(listener::tls_version)
        .doc("The oldest version of TLS that is accepted."),
    row(Scope::ListenerOrDefault, "ciphers", "LIST")
        .without("the library's choice")
        .restart()
        .text(|d, v| d.listener().tls.ciphers = Some(v))
        .doc("The cipher suites offered for TLS 1.2, in OpenSSL's notation."),
    row(Scope::ListenerOrDefault, "ciphers_tls1.3", "LIST")
        .without("the library's choice")
        .restart()
        .text(|d, v| d.listener().tls.ciphers_tls13 = Some(v))
        .doc("The cipher suites offered for TLS 1.3."),
    Directive::new(Section::Tls, Scope::Global, "dhparamfile", "PATH")
        .with_status(Status::NoOp("is no longer required and has no effect"))
        .doc("Once the parameters of the Diffie-Hellman exchange. Accepted and ignored."),
    row(Scope::ListenerOrDefault, "tls_engine", "ID")
        .restart()
        .text(|d, v| d.listener().tls.engine = Some(v))
        .doc("The OpenSSL engine that holds the key, for keys in hardware."),
    Directive::new(Section::Tls, Scope::ListenerOrDefault, "tls_keyform", "pem | engine")
        .default("pem")
        .restart()
        .with_status(Status::NeedsWhen("engine", Capability::Tls))
        .custom(listener::tls_keyform)
        .doc("Whether `keyfile` names a PEM file or a key inside the engine."),
    row(Scope::ListenerOrDefault, "tls_engine_kpass_sha1", "HEX")
        .restart()
        .once()
        .custom(listener::tls_engine_kpass_sha1)
        .doc("The SHA-1 digest of the password that opens the engine's key."),
    row(Scope::ListenerOrDefault, "psk_hint", "TEXT")
        .restart()
        .with_status(Status::Needs(Capability::Psk))
        .text(|d, v| d.listener().tls.psk_hint = Some(v))
        .doc(
            "Makes the listener one for pre-shared keys instead of certificates, and is the hint that clients \
             are sent. Needs `psk_file`.",
        ),
    row(Scope::Security, "psk_file", "PATH")
        .with_status(Status::Needs(Capability::Psk))
        .text(|d, v| d.security().psk_file = Some(v.into()))
        .doc("The pre-shared keys: one `identity:hexadecimal-key` on each line."),
];
