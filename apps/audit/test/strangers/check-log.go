// Checks a published log with nothing of ours but the layout of its files: trees and tiles by sumdb/tlog, signatures by
// sumdb/note. Usage: check-log FOLDER VKEY [EARLIER-CHECKPOINT]. Prints the size of what it accepts.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8
const width = 1 << height

// site reads tiles where C2SP tlog-tiles puts them; x/mod has its own prefix for them.
type site struct{ dir string }

func (s site) Height() int                                { return height }
func (s site) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (s site) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		path := strings.Replace(t.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(s.dir, path))
		if err != nil {
			return nil, err
		}
		data[i] = bytes
	}
	return data, nil
}

// entries reads one bundle: a length of two bytes before each entry.
func (s site) entries(bundle int64, count int) ([][]byte, error) {
	path := strings.Replace(tlog.Tile{H: height, L: -1, N: bundle, W: count}.Path(), fmt.Sprintf("tile/%d/data/", height), "tile/entries/", 1)
	rest, err := os.ReadFile(filepath.Join(s.dir, path))
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(rest) > 0 {
		if len(rest) < 2 || len(rest) < 2+int(binary.BigEndian.Uint16(rest)) {
			return nil, fmt.Errorf("%s is cut short", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(rest))
		found = append(found, rest[2:end])
		rest = rest[end:]
	}
	if len(found) != count {
		return nil, fmt.Errorf("%s has %d entries", path, len(found))
	}
	return found, nil
}

// open returns the signed tree head in a checkpoint. x/mod reads the same three lines under one fixed first line.
func open(file string, vkey string) (tlog.Tree, error) {
	bytes, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(bytes, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != key.Name() {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is of %s", origin)
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

func check(dir string, vkey string, earlier string) (int64, error) {
	tree, err := open(filepath.Join(dir, "checkpoint"), vkey)
	if err != nil {
		return 0, err
	}
	log := site{dir}
	hashes := tlog.TileHashReader(tree, log) // Believes no tile that does not lead to the signed root.
	for at := int64(0); at < tree.N; at += width {
		count := width
		if tree.N-at < width {
			count = int(tree.N - at)
		}
		entries, err := log.entries(at/width, count)
		if err != nil {
			return 0, err
		}
		for i, entry := range entries {
			logged, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, at+int64(i))})
			if err != nil {
				return 0, err
			}
			if logged[0] != tlog.RecordHash(entry) {
				return 0, fmt.Errorf("entry %d is not the logged one", at+int64(i))
			}
		}
	}
	if earlier == "" {
		return tree.N, nil
	}
	old, err := open(earlier, vkey)
	if err != nil {
		return 0, err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return 0, err
	}
	return tree.N, tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

func main() {
	arguments := append(os.Args[1:], "", "", "")
	size, err := check(arguments[0], arguments[1], arguments[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}
