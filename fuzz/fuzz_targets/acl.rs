//! An access control file, a user, a client id and a topic, parted by NUL bytes.
//!
//! It loads whole or is refused; the explanation agrees with the answer; and a name is never a wildcard.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pondhawk_auth::{Access, AclFile, Decision};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(4, |byte| *byte == 0);
    let (Some(bytes), user, client_id, topic) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let file = match AclFile::parse(bytes, Path::new("acl")) {
        Ok(file) => file,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let text = |part: Option<&[u8]>| part.and_then(|part| std::str::from_utf8(part).ok().map(str::to_string));
    let (user, Some(client_id), Some(topic)) = (text(user), text(client_id), text(topic)) else {
        return;
    };
    let rules = file.rules_for(user.as_deref(), &client_id);
    for (access, granted) in
        [(Access::Read, rules.may_read(&topic)), (Access::Write, rules.may_write(&topic))]
    {
        let explanation = rules.explain(access, &topic);
        assert_eq!(explanation.granted, granted);
        match explanation.decision {
            Decision::TopicLine(line) | Decision::PatternLine(line) => {
                assert!(line >= 1 && line as usize <= bytes.split(|byte| *byte == b'\n').count());
            }
            Decision::DangerousUser | Decision::DangerousClientId | Decision::NoRule => assert!(!granted),
        }
    }
});
