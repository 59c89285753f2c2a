package seal

import "time"

// Age lets the keys forget when they last looked into their file.
func Age(k *Keys) {
	k.ring.mu.Lock()
	defer k.ring.mu.Unlock()
	k.ring.source.last = time.Time{}
}
