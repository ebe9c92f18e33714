import * as fc from 'fast-check';
import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { xml, xmlDocument } from '../../../src/io/xml.ts';

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  trimValues: false,
  parseTagValue: false,
  parseAttributeValue: false,
  htmlEntities: true,
});

describe('xml', () => {
  it('gives any text back to a parser, as attribute and as content', () => {
    const xmlText = fc.string({ unit: 'grapheme' }).filter((text) => !/[^\t\n\r\u{20}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(text));
    fc.assert(
      fc.property(xmlText, (value) => {
        const text = xmlDocument(xml`<a b="${value}">${xml`<c>x${value}</c>`}</a>`);
        expect(parser.parse(text)).toEqual({
          '?xml': { '@version': '1.0', '@encoding': 'UTF-8' },
          a: { '@b': value, c: `x${value}` },
        });
      }),
    );
  });

  it('escapes what would end an attribute, a tag or an entity', () => {
    expect(xml`<a b="${`"'<>&\n`}"/>`.text).toBe('<a b="&quot;&apos;&lt;&gt;&amp;&#10;"/>');
  });

  it.each(['\0', '\u{b}', '\u{ffff}', '\ud800'])('refuses %j, which XML 1.0 cannot hold', (char) => {
    expect(() => xml`<a>${char}</a>`).toThrow(/^U\+[0-9A-F]{4} cannot stand in XML 1\.0/);
  });

  it('removes its own indentation and indents what it nests', () => {
    const inner = xml`
      <b>
        <c/>
      </b>
    `;
    const outer = xml`
      <a>
        ${[inner, inner]}
      </a>
    `;
    expect(outer.text).toBe('<a>\n  <b>\n    <c/>\n  </b>\n  <b>\n    <c/>\n  </b>\n</a>');
  });

  it('drops a line that holds only an absent value', () => {
    const text = xml`
      <a>
        ${undefined}
        ${[]}
        <b/>
      </a>
    `.text;
    expect(text).toBe('<a>\n  <b/>\n</a>');
  });

  it('keeps an absent value inside a line to that place', () => {
    expect(xml`<a${undefined}>${''}</a>`.text).toBe('<a></a>');
  });
});
