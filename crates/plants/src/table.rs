//! The table of planted bugs.

macro_rules! plants {
    ($($name:ident $place:literal $what:literal $breaks:literal;)*) => {
        /// A bug that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Plant {
            $(#[doc = concat!($what, " (", $place, "). Breaks: ", $breaks, ".")] $name,)*
        }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Plant] = &[$(Plant::$name),*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Plant::$name => stringify!($name),)* }
            }

            /// The crate that it is planted in.
            #[must_use]
            pub fn place(self) -> &'static str {
                match self { $(Plant::$name => $place,)* }
            }

            /// What is wrong.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self { $(Plant::$name => $what,)* }
            }

            /// The rule or invariant that it breaks: a statement of `spec/*.toml`, an invariant of the simulator
            /// (`I1` to `I12`), or a page.
            #[must_use]
            pub fn breaks(self) -> &'static str {
                match self { $(Plant::$name => $breaks,)* }
            }
        }
    };
}

plants! {
    NulInString "codec" "a string may hold U+0000" "MQTT-1.5.4-2";
    LongVarint "codec" "a remaining length may be longer than it needs to be" "MQTT-1.5.5-1";
    AnyHeaderFlags "codec" "the reserved flags of the fixed header are not looked at" "MQTT-2.1.3-1";
    PropertyTwice "codec" "a property may come twice" "MQTT 5.0, 2.2.2.2";
    MisplacedProperty "codec" "a property may stand in any packet" "MQTT 5.0, 2.2.2.2";
    HashInTheMiddle "codec" "a filter may have # in front of other levels" "MQTT-4.7.1-1";
    BytesBehindThePacket "codec" "bytes behind the last field are passed over" "MQTT-4.13.1-1";
    ReservedOptions "codec" "the reserved bits of subscription options are not looked at" "MQTT-3.8.3-5";
    EmptyShareName "codec" "a share name may be empty" "MQTT-4.8.2-1";

    DupNotSet "session" "a message is sent again without DUP" "MQTT-3.3.1-1";
    PacketIdReused "session" "packet ids come round after sixteen messages" "MQTT-2.2.1-4, I9";
    InflightNotFreed "session" "PUBACK does not free the window" "MQTT-4.3.2-5, I10";
    WindowOffByOne "session" "one more message is in flight than the client allows" "MQTT-3.3.4-9, I9";
    ReleaseForgotten "session" "PUBREL is not sent again on a new connection" "MQTT-4.4.0-1";
    QueueTailDropped "session" "the last of a queue is lost when the client comes back" "I1";
    QueueOutOfOrder "session" "a queued message overtakes the one in front of it" "MQTT-4.6.0-5, I3";
    ExpiryNotDecremented "session" "the expiry goes out larger than it is" "MQTT-3.3.2-6";
    ExpiredDelivered "session" "a message is sent though it has expired" "MQTT-3.3.2-5";
    TooLargeSent "session" "a packet above the client's maximum is sent" "MQTT-3.1.2-24";
    SubscriptionIdLost "session" "a PUBLISH lacks its subscription identifiers" "MQTT-3.3.4-3";
    AliasNotReplaced "session" "a topic alias keeps its first topic" "MQTT-3.3.2-12";
    AliasAboveMaximum "session" "a client may make one alias more than it was offered" "MQTT-3.2.2-17";
    RefusedKeptInflight "session" "a message that PUBREC refuses is released as if it were taken" "MQTT-4.4.0-2";
    PageOutOfOrder "session" "messages read back from disk are queued in the opposite order" "MQTT-4.6.0-5, docs/design/007";
    ClientDupNotSet "session" "our client sends again without DUP" "MQTT-3.3.1-1";

    DollarMatchedByHash "broker" "# matches topics that begin with $" "MQTT-4.7.2-1";
    NoLocalIgnored "broker" "a client gets its own messages though it asked not to" "MQTT-3.8.3-3";
    GrantedQosIgnored "broker" "messages go out at the publisher's QoS" "MQTT-3.8.4-8";
    RetainAsPublishedIgnored "broker" "the retain flag is never passed on" "MQTT-3.3.1-13";
    RetainHandlingIgnored "broker" "retained messages are sent for a subscription that was there" "MQTT-3.3.1-10";
    RetainedNotReplaced "broker" "a retained message stays though a new one came" "MQTT-3.3.1-5, I4";
    EmptyRetained "broker" "an empty retained message is stored" "MQTT-3.3.1-7, I4";
    RetainedWithoutRight "broker" "rights are not asked for retained messages" "I8";
    RevokedRightInQueue "broker" "a revoked right still counts for what is queued" "I8";
    WillWithoutRight "broker" "a will is published without the right to" "I8";
    ReleaseWithoutRight "broker" "the right to publish is not asked again at PUBREL" "I8, docs/mqtt.md";
    WillAfterDisconnect "broker" "a will is published after DISCONNECT 0x00" "MQTT-3.14.4-3, I7";
    WillTwice "broker" "a delayed will is published at once, too" "MQTT-3.1.2-8, I7";
    WillNotCalledOff "broker" "a delayed will is published though its client is back" "MQTT-3.1.3-9, I7";
    TwiceDelivered "broker" "a QoS 2 message is routed at PUBLISH and at PUBREL" "MQTT-4.3.3-10, I2";
    RepeatIsNew "broker" "a QoS 2 message is routed when it is repeated" "MQTT-4.3.3-10, I2";
    ReceiveMaximumUnchecked "broker" "a client may have any number of QoS 2 messages under way" "MQTT-3.3.4-7";
    AnyPacketSize "broker" "a client's packet may be larger than it was told" "MQTT-3.2.2-15, mosquitto.conf, max_packet_size";
    RightsNotReloaded "broker" "a reload leaves the rights of those who are there as they were" "I8";
    SessionNotResumed "broker" "a client that comes back gets a new session" "MQTT-3.1.2-5, I6";
    SessionPresentLie "broker" "session present is always 0" "MQTT-3.2.2-3, I5";
    CleanStartKeeps "broker" "Clean Start finds the old subscriptions" "MQTT-3.1.2-4, I5";
    OldConnectionStays "broker" "a take-over leaves the old connection open" "MQTT-3.1.4-3";
    SessionOutlivesExpiry "broker" "a session does not end when its time is over" "MQTT-4.1.0-2";
    KeepAliveNeverEnds "broker" "a silent client is not disconnected" "MQTT-3.1.2-22";
    UnsubscribedStillServed "broker" "UNSUBSCRIBE is acknowledged and not carried out" "MQTT-3.10.4-2";
    SharedToTwo "broker" "two members of a shared group get a message" "MQTT 5.0, 4.8.2";
    GroupPrefersAbsent "broker" "a shared group does not hear that a client has gone" "docs/mqtt.md";
    EarlySuback "broker" "SUBACK does not wait for the other shards" "MQTT-3.8.4-4, I1";
    InterestLost "broker" "an interest is withdrawn while others have it" "I1";
    LettersOutOfOrder "broker" "letters of a turn leave in the opposite order" "MQTT-4.6.0-5, I3";
    MountPointShown "broker" "a client sees the mount point in topics" "mosquitto.conf, mount_point";
    CounterLeaks "broker" "subscriptions of a session that ends stay counted" "I10";
    PlaceLeaks "broker" "a connection that ends keeps its place" "I10";
    AckBeforeSync "broker" "acknowledgements do not wait for the store" "I1";
    OutputBeforeSync "broker" "output does not wait for the records that it rests on" "I2, docs/design/005";
    ConfirmedTooSoon "broker" "a shard confirms before its records are durable" "I1, docs/design/005";
    DequeuedForgotten "broker" "a finished delivery has no record" "I2, docs/design/005";
    RecordedForgotten "broker" "PUBREC has no record" "I2, docs/design/005";
    ReachedForgotten "broker" "the arrival of a released message has no record" "I2, docs/design/005";
    ReleasedForgotten "broker" "PUBREL has no record" "I2, docs/design/005";
    WillNotRecorded "broker" "the will of a connected client has no record" "I7, docs/design/005";
    SpilledTooSoon "broker" "messages leave memory before the store has them" "I1, docs/design/007";
    FetchLosesOne "broker" "the last message of what is read back from disk is lost" "I1, docs/design/007";
    RefusedTakesEffect "broker" "a message that a full store refuses is delivered all the same" "MQTT-4.3.3-9, docs/persistence.md";
    StalledForEver "broker" "who waits for room is not listened to when there is some" "docs/persistence.md";
    RestoredWithoutQueue "broker" "a restart forgets what was queued" "I1";
    RestoredWithoutSubscriptions "broker" "a restart forgets subscriptions" "I6";

    DurableWhenWritten "store" "a ticket is durable before the sync" "I1, docs/design/005";
    SyncErrorPassedOver "store" "a failed sync counts as done" "I1, docs/design/005";
    CopyFallsBehind "store" "a copy that gives room back lacks what changed meanwhile" "I1, docs/design/006";
    BodyDropped "store" "a message that several queues share goes with the first that is done" "I1";

    PasswordUnchecked "auth" "any password is right" "docs/access.md";
    PatternNameUnchecked "auth" "a client id with wildcards counts in a pattern" "docs/access.md";
    DenyAfterGrant "auth" "a grant goes before a denial" "docs/access.md";
    LastLetterLost "net" "the last letter of a large batch is lost" "I1";
    UnmaskedAccepted "net" "a WebSocket frame of a client may be unmasked" "RFC 6455, 5.1";
}
