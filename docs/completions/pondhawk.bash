# Completions of pondhawk, mosquitto_pub, mosquitto_sub and mosquitto_rr.
_mosquitto_pub() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $before in
    -h|--host) :; return;;
    -p|--port) :; return;;
    --unix) COMPREPLY=($(compgen -f -- "$word")); return;;
    -L|--url) :; return;;
    -A) :; return;;
    --proxy) :; return;;
    -u|--username) :; return;;
    -P|--pw) :; return;;
    -i|--id) :; return;;
    -I|--id-prefix) :; return;;
    -x) :; return;;
    -k|--keepalive) :; return;;
    -M) :; return;;
    -V|--protocol-version) COMPREPLY=($(compgen -W 'mqttv31 mqttv311 mqttv5' -- "$word")); return;;
    -D|--property) COMPREPLY=($(compgen -W 'connect publish subscribe unsubscribe disconnect will' -- "$word")); return;;
    -t|--topic) :; return;;
    -q|--qos) COMPREPLY=($(compgen -W '0 1 2' -- "$word")); return;;
    -m|--message) :; return;;
    -f|--file) COMPREPLY=($(compgen -f -- "$word")); return;;
    --repeat) :; return;;
    --repeat-delay) :; return;;
    --will-topic) :; return;;
    --will-payload) :; return;;
    --will-qos) COMPREPLY=($(compgen -W '0 1 2' -- "$word")); return;;
    --cafile) COMPREPLY=($(compgen -f -- "$word")); return;;
    --capath) COMPREPLY=($(compgen -f -- "$word")); return;;
    --cert) COMPREPLY=($(compgen -f -- "$word")); return;;
    --key) COMPREPLY=($(compgen -f -- "$word")); return;;
    --keyform) :; return;;
    --ciphers) :; return;;
    --tls-version) COMPREPLY=($(compgen -W 'tlsv1.2 tlsv1.3' -- "$word")); return;;
    --tls-alpn) :; return;;
    --tls-engine) :; return;;
    --tls-engine-kpass-sha1) :; return;;
    --tls-keylog) COMPREPLY=($(compgen -f -- "$word")); return;;
    --psk) :; return;;
    --psk-identity) :; return;;
    -o) COMPREPLY=($(compgen -f -- "$word")); return;;
  esac
  COMPREPLY=($(compgen -W '-h --host -p --port --unix -L --url --ws -A --proxy -S --nodelay -u --username -P --pw -i --id -I --id-prefix -c --disable-clean-session -x -k --keepalive -M -V --protocol-version -D --property -t --topic -q --qos -m --message -f --file -s --stdin-file -l --stdin-line -n --null-message -r --retain --repeat --repeat-delay -d --debug --quiet --will-topic --will-payload --will-qos --will-retain --cafile --capath --cert --key --keyform --ciphers --tls-version --tls-alpn --tls-engine --tls-engine-kpass-sha1 --tls-use-os-certs --tls-keylog --insecure --no-tls --psk --psk-identity -o --help --version' -- "$word"))
}
complete -F _mosquitto_pub mosquitto_pub
_mosquitto_sub() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $before in
    -h|--host) :; return;;
    -p|--port) :; return;;
    --unix) COMPREPLY=($(compgen -f -- "$word")); return;;
    -L|--url) :; return;;
    -A) :; return;;
    --proxy) :; return;;
    -u|--username) :; return;;
    -P|--pw) :; return;;
    -i|--id) :; return;;
    -I|--id-prefix) :; return;;
    -x) :; return;;
    -k|--keepalive) :; return;;
    -M) :; return;;
    -V|--protocol-version) COMPREPLY=($(compgen -W 'mqttv31 mqttv311 mqttv5' -- "$word")); return;;
    -D|--property) COMPREPLY=($(compgen -W 'connect publish subscribe unsubscribe disconnect will' -- "$word")); return;;
    -t|--topic) :; return;;
    -q|--qos) COMPREPLY=($(compgen -W '0 1 2' -- "$word")); return;;
    -T|--filter-out) :; return;;
    -U|--unsubscribe) :; return;;
    -C) :; return;;
    -W) :; return;;
    --retain-handling) COMPREPLY=($(compgen -W 'always new never' -- "$word")); return;;
    -F) :; return;;
    --random-filter) :; return;;
    --will-topic) :; return;;
    --will-payload) :; return;;
    --will-qos) COMPREPLY=($(compgen -W '0 1 2' -- "$word")); return;;
    --cafile) COMPREPLY=($(compgen -f -- "$word")); return;;
    --capath) COMPREPLY=($(compgen -f -- "$word")); return;;
    --cert) COMPREPLY=($(compgen -f -- "$word")); return;;
    --key) COMPREPLY=($(compgen -f -- "$word")); return;;
    --keyform) :; return;;
    --ciphers) :; return;;
    --tls-version) COMPREPLY=($(compgen -W 'tlsv1.2 tlsv1.3' -- "$word")); return;;
    --tls-alpn) :; return;;
    --tls-engine) :; return;;
    --tls-engine-kpass-sha1) :; return;;
    --tls-keylog) COMPREPLY=($(compgen -f -- "$word")); return;;
    --psk) :; return;;
    --psk-identity) :; return;;
    -o) COMPREPLY=($(compgen -f -- "$word")); return;;
  esac
  COMPREPLY=($(compgen -W '-h --host -p --port --unix -L --url --ws -A --proxy -S --nodelay -u --username -P --pw -i --id -I --id-prefix -c --disable-clean-session -x -k --keepalive -M -V --protocol-version -D --property -t --topic -q --qos -T --filter-out -U --unsubscribe -C -E -W -R --retained-only --remove-retained --retain-as-published --retain-handling -v --verbose -F -N --pretty --random-filter -w --watch --message-rate -d --debug --quiet --will-topic --will-payload --will-qos --will-retain --cafile --capath --cert --key --keyform --ciphers --tls-version --tls-alpn --tls-engine --tls-engine-kpass-sha1 --tls-use-os-certs --tls-keylog --insecure --no-tls --psk --psk-identity -o --help --version' -- "$word"))
}
complete -F _mosquitto_sub mosquitto_sub
_mosquitto_rr() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $before in
    -h|--host) :; return;;
    -p|--port) :; return;;
    --unix) COMPREPLY=($(compgen -f -- "$word")); return;;
    -L|--url) :; return;;
    -A) :; return;;
    --proxy) :; return;;
    -u|--username) :; return;;
    -P|--pw) :; return;;
    -i|--id) :; return;;
    -I|--id-prefix) :; return;;
    -x) :; return;;
    -k|--keepalive) :; return;;
    -M) :; return;;
    -V|--protocol-version) COMPREPLY=($(compgen -W 'mqttv31 mqttv311 mqttv5' -- "$word")); return;;
    -D|--property) COMPREPLY=($(compgen -W 'connect publish subscribe unsubscribe disconnect will' -- "$word")); return;;
    -t|--topic) :; return;;
    -e) :; return;;
    -q|--qos) COMPREPLY=($(compgen -W '0 1 2' -- "$word")); return;;
    -m|--message) :; return;;
    -f|--file) COMPREPLY=($(compgen -f -- "$word")); return;;
    -W) :; return;;
    --retain-handling) COMPREPLY=($(compgen -W 'always new never' -- "$word")); return;;
    -F) :; return;;
    --will-topic) :; return;;
    --will-payload) :; return;;
    --will-qos) COMPREPLY=($(compgen -W '0 1 2' -- "$word")); return;;
    --cafile) COMPREPLY=($(compgen -f -- "$word")); return;;
    --capath) COMPREPLY=($(compgen -f -- "$word")); return;;
    --cert) COMPREPLY=($(compgen -f -- "$word")); return;;
    --key) COMPREPLY=($(compgen -f -- "$word")); return;;
    --keyform) :; return;;
    --ciphers) :; return;;
    --tls-version) COMPREPLY=($(compgen -W 'tlsv1.2 tlsv1.3' -- "$word")); return;;
    --tls-alpn) :; return;;
    --tls-engine) :; return;;
    --tls-engine-kpass-sha1) :; return;;
    --tls-keylog) COMPREPLY=($(compgen -f -- "$word")); return;;
    --psk) :; return;;
    --psk-identity) :; return;;
    -o) COMPREPLY=($(compgen -f -- "$word")); return;;
  esac
  COMPREPLY=($(compgen -W '-h --host -p --port --unix -L --url --ws -A --proxy -S --nodelay -u --username -P --pw -i --id -I --id-prefix -c --disable-clean-session -x -k --keepalive -M -V --protocol-version -D --property -t --topic -e -q --qos -m --message -f --file -s --stdin-file -n --null-message -r --retain --latency -W -R --retain-as-published --retain-handling -v --verbose -F -N --pretty -d --debug --quiet --will-topic --will-payload --will-qos --will-retain --cafile --capath --cert --key --keyform --ciphers --tls-version --tls-alpn --tls-engine --tls-engine-kpass-sha1 --tls-use-os-certs --tls-keylog --insecure --no-tls --psk --psk-identity -o --help --version' -- "$word"))
}
complete -F _mosquitto_rr mosquitto_rr
_pondhawk() {
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W 'broker pub sub rr passwd conform store import install-names completions man help' -- "${COMP_WORDS[1]}"))
    return
  fi
  case ${COMP_WORDS[1]} in
    pub|sub|rr) _mosquitto_${COMP_WORDS[1]};;
    *) COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"));;
  esac
}
complete -F _pondhawk pondhawk
